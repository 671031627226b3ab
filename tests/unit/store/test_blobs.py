"""Blobs as files."""

import hashlib
import stat
from pathlib import Path

import anyio
import pytest

from open_agent.core.errors import Invalid, NotFound, Unavailable
from open_agent.core.ids import MissionId
from open_agent.store.blobs import FileBlobs

MISSION, OTHER = MissionId("11111111-1111-4111-8111-111111111111"), MissionId("other_1")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_what_was_put_comes_back(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    ref = await blobs.put(MISSION, b"\x00\xff" * 1000, media_type="image/png")

    assert (ref.size, ref.media_type) == (2000, "image/png")
    assert ref.digest == hashlib.sha256(b"\x00\xff" * 1000).hexdigest()
    assert await blobs.get(MISSION, ref) == b"\x00\xff" * 1000
    assert blobs.path(MISSION, ref).read_bytes() == b"\x00\xff" * 1000


async def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    first, second = [await blobs.put(MISSION, b"same") for _ in range(2)]

    assert first == second
    assert names(tmp_path) == [first.digest]


async def test_a_writer_keeps_what_fits_and_counts_the_rest(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    writer = blobs.writer(MISSION, cap=10)
    for piece in (b"12345", b"67890abc", b"def"):
        await writer.write(piece)
    ref = await writer.finish()
    await writer.discard()

    assert writer.dropped == 6
    assert await blobs.get(MISSION, ref) == b"1234567890"
    assert await blobs.total_bytes(MISSION) == 10


async def test_nothing_touches_the_disk_before_the_first_byte(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    writer = blobs.writer(MISSION, cap=0)
    await writer.write(b"dropped")
    await writer.discard()

    assert not (tmp_path / "blobs").exists()


async def test_a_discarded_blob_leaves_nothing(tmp_path: Path) -> None:
    writer = FileBlobs(tmp_path).writer(MISSION, cap=100)
    await writer.write(b"half")
    assert len(names(tmp_path)) == 1
    await writer.discard()

    assert names(tmp_path) == []


async def test_an_empty_blob_is_a_blob(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    ref = await blobs.put(MISSION, b"")

    assert ref.size == 0
    assert await blobs.get(MISSION, ref) == b""


async def test_a_mission_reads_only_its_own(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    ref = await blobs.put(MISSION, b"mine")

    with pytest.raises(NotFound) as refused:
        await blobs.get(OTHER, ref)
    assert refused.value.code == "blob.not_found"


async def test_deleting_a_missions_blobs_leaves_those_of_others(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    for mission in (MISSION, OTHER):
        await blobs.put(mission, b"content")
    await blobs.delete_all(MISSION)
    await blobs.delete_all(MISSION)

    assert await blobs.total_bytes(MISSION) == 0
    assert await blobs.total_bytes(OTHER) == 7


async def test_blobs_are_private_to_their_user(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    ref = await blobs.put(MISSION, b"secret")
    path = blobs.path(MISSION, ref)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a\x00b", "ä"])
async def test_a_mission_id_cannot_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        await FileBlobs(tmp_path).put(MissionId(name), b"")

    assert refused.value.code == "mission.id_invalid"


async def test_many_writers_of_the_same_content_agree(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    digests: set[str] = set()

    async def put() -> None:
        digests.add((await blobs.put(MISSION, b"x" * 100_000)).digest)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(put)

    assert names(tmp_path) == sorted(digests)
    assert len(digests) == 1


async def test_a_disk_that_fails_is_said_to_fail(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")

    with pytest.raises(Unavailable) as refused:
        await FileBlobs(tmp_path / "blobs").put(MISSION, b"x")
    assert refused.value.code == "storage.failed"
