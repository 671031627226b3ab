"""What a SQLite database must be for us to write to it."""

import resource
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Conflict, OpenAgentError, Unavailable
from open_agent.core.ids import MissionId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.events.model.mission import MissionCreated
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.store.sqlite.connection import connect_reader, connect_writer
from open_agent.store.sqlite.database import FILE_NAME

OWNER = UserId("anna")


def created() -> MissionCreated:
    return MissionCreated(
        owner_id=OWNER,
        kind=MissionKind.TASK,
        title="x" * 2000,
        workspace="/work",
        is_workspace_ours=True,
        host_id="host",
    )


async def fill(db: Database, missions: int = 50) -> None:
    for _ in range(missions):
        await db.log.open_mission(MissionId(new_uuid()), created(), None, key=None, digest="")


async def make(folder: Path) -> Path:
    """A database with something in it, closed."""
    async with await open_database(folder, SystemClock()) as db:
        await fill(db)
    return folder / FILE_NAME


async def refusal(folder: Path) -> OpenAgentError:
    with pytest.raises(OpenAgentError) as refused:
        await open_database(folder, SystemClock())
    return refused.value


async def test_what_was_closed_opens_again_with_everything_in_it(tmp_path: Path) -> None:
    await make(tmp_path)

    async with await open_database(tmp_path, SystemClock()) as db:
        assert len((await db.missions.page(owner=OWNER)).items) == 50


async def test_the_files_are_private_to_their_user(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with await open_database(folder, SystemClock()) as db:
        await fill(db)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    databases = [FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"]
    assert {modes[name] for name in databases} == {0o600}


async def test_commits_are_durable_and_readers_cannot_write(tmp_path: Path) -> None:
    path = await make(tmp_path)
    writer, reader = connect_writer(path), connect_reader(path)

    def pragma(connection: sqlite3.Connection, name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma(writer, "journal_mode") == "wal"
    assert pragma(writer, "synchronous") == 2  # FULL
    assert pragma(writer, "foreign_keys") == 1
    assert pragma(writer, "busy_timeout") == 10_000
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM events")
    writer.close()
    reader.close()


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"This is my diary. " * 1000)
    refused = await refusal(tmp_path)

    assert isinstance(refused, Unavailable)
    assert refused.code == "storage.corrupt"
    assert str(path) in refused.message
    assert path.read_bytes() == b"This is my diary. " * 1000


async def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = await make(tmp_path)
    content = bytearray(path.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(content)
    refused = await refusal(tmp_path)

    assert refused.code == "storage.corrupt"
    assert ".recover" in refused.message
    assert path.read_bytes() == content


async def test_a_cut_database_is_refused(tmp_path: Path) -> None:
    path = await make(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert (await refusal(tmp_path)).code == "storage.corrupt"


async def test_a_disk_that_is_full_at_the_first_start_is_said_to_be(tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        refused = await refusal(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    assert isinstance(refused, Unavailable)
    assert refused.code == "storage.failed"
    async with await open_database(tmp_path, SystemClock()) as db:
        await fill(db, missions=1)


async def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = await make(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE open_agent_schema SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    refused = await refusal(tmp_path)

    assert isinstance(refused, Conflict)
    assert refused.code == "storage.newer"
    assert "9999" in refused.message
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
async def test_somebody_elses_database_is_refused_and_left_as_it_is(
    tmp_path: Path, mode: str
) -> None:
    path = tmp_path / FILE_NAME
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("CREATE TABLE recipes (name)")
    before = path.read_bytes()

    assert (await refusal(tmp_path)).code == "storage.foreign"
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.glob(f"{FILE_NAME}*")] == [FILE_NAME]


async def test_somebody_elses_database_after_a_crash_is_read_with_its_log_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "data"
    folder.mkdir()
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE recipes (name)")
        for end in ("", "-wal"):
            copied = (tmp_path / f"theirs{end}").read_bytes()
            (folder / f"{FILE_NAME}{end}").write_bytes(copied)
    files = [folder / FILE_NAME, folder / f"{FILE_NAME}-wal"]
    before = [file.read_bytes() for file in files]
    assert b"recipes" not in before[0]

    assert (await refusal(folder)).code == "storage.foreign"
    assert [file.read_bytes() for file in files] == before


async def test_a_refused_database_can_be_opened_once_it_is_mended(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b"no database" * 1000)
    await refusal(tmp_path)
    path.rename(tmp_path / "away")

    async with await open_database(tmp_path, SystemClock()) as db:
        await fill(db, missions=1)


async def test_leases_end_with_the_process_that_held_them(tmp_path: Path) -> None:
    mission_id = MissionId(new_uuid())
    async with await open_database(tmp_path, SystemClock()) as db:
        await db.log.open_mission(mission_id, created(), None, key=None, digest="")
        assert await db.leases.claim(mission_id, "before") == 1

    async with await open_database(tmp_path, SystemClock()) as db:
        assert await db.leases.heartbeat("before") == []
        assert await db.leases.claim(mission_id, "after") == 2


async def test_a_name_with_signs_that_mean_something_in_addresses_is_a_name(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "what? 100% #1"

    await make(folder)
    assert (folder / FILE_NAME).exists()


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    db = await open_database(tmp_path, SystemClock())
    await db.close()
    await db.close()

    for attempt in (fill(db, missions=1), db.missions.page(owner=OWNER)):
        with pytest.raises(Unavailable) as refused:
            await attempt
        assert refused.value.code == "storage.closed"
