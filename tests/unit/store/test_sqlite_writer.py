"""The writer's thread when things go wrong."""

import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.notice import NoticeGiven
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.store.sqlite.database import FILE_NAME

OWNER = UserId("anna")


def note(content: str = "note") -> NoticeGiven:
    return NoticeGiven(kind="note", content=content)


async def open_one(db: Database) -> MissionId:
    created = MissionCreated(
        owner_id=OWNER,
        kind=MissionKind.TASK,
        workspace="/work",
        is_workspace_ours=True,
        host_id="host",
    )
    mission_id = MissionId(new_uuid())
    await db.log.open_mission(mission_id, created, None, key=None, digest="")
    return mission_id


async def test_appends_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    commits: list[str] = []
    async with await open_database(tmp_path, SystemClock(), on_stage=commits.append) as db:
        mission_id = await open_one(db)
        commits.clear()
        async with anyio.create_task_group() as group:
            for _ in range(100):

                async def append() -> None:
                    await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=0)

                group.start_soon(append)

    assert commits == ["begin", "commit", "committed"]


async def test_nothing_is_told_before_it_is_committed(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def stop(stage: str) -> None:
        if stage == "commit":
            reached.set()
            assert go_on.wait(5)

    go_on.set()
    async with await open_database(tmp_path, SystemClock(), on_stage=stop) as db:
        mission_id = await open_one(db)
        told: list[int] = []
        db.log.on_commit(lambda owner, records: told.extend(r.seq for r in records))
        reached.clear()
        go_on.clear()
        done: list[int] = []

        async def append() -> None:
            await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)
            done.append(len(await db.log.read(mission_id)))

        async with anyio.create_task_group() as group:
            group.start_soon(append)
            assert await anyio.to_thread.run_sync(reached.wait, 5)
            assert (told, done) == ([], [])
            assert len(await db.log.read(mission_id)) == 1
            go_on.set()

    assert (told, done) == ([2], [2])


async def test_an_append_given_up_before_its_turn_is_not_made(tmp_path: Path) -> None:
    async with await open_database(tmp_path, SystemClock()) as db:
        mission_id = await open_one(db)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)

        assert len(await db.log.read(mission_id)) == 1


async def test_what_a_database_cannot_hold_fails_alone(tmp_path: Path) -> None:
    async with await open_database(tmp_path, SystemClock()) as db:
        mission_id = await open_one(db)
        failures: list[Exception] = []

        async def append(run_id: str) -> None:
            try:
                await db.log.append(mission_id, 0, [note()], run_id=RunId(run_id), known_seq=0)
            except UnicodeEncodeError as error:
                failures.append(error)

        async with anyio.create_task_group() as group:
            for run_id in ("a", "\ud800", "b"):
                group.start_soon(append, run_id)

        assert len(failures) == 1
        assert [r.run_id for r in await db.log.read(mission_id, after=1)] == ["a", "b"]


FULL_DISK = """
import anyio, asyncio, resource, sys
from pathlib import Path
from open_agent.core.clock import SystemClock
from open_agent.core.errors import Unavailable
from open_agent.store.database import open_database
from tests.unit.store.test_sqlite_writer import note, open_one

async def main():
    db = await open_database(Path(sys.argv[1]), SystemClock())
    mission_id = await open_one(db)
    done = await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)
    used = sum(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    kept, failed = 1, 0
    async def append(i):
        nonlocal kept, failed
        try:
            await db.log.append(mission_id, 0, [note("x" * 9000)], run_id=None, known_seq=0)
            kept += 1
        except Unavailable as error:
            assert error.code == "storage.failed", error.code
            failed += 1
    for _ in range(20):
        async with anyio.create_task_group() as group:
            for i in range(5):
                group.start_soon(append, i)
    assert failed > 0, "the limit was never reached"
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    before = failed
    for i in range(5):
        await append(i)
    assert failed == before, "it does not recover"
    records = await db.log.read(mission_id)
    assert [r.seq for r in records] == list(range(1, kept + 2)), (len(records), kept)
    await db.close()
    print(kept, failed)

anyio.run(main)
"""


def test_a_full_disk_fails_appends_whole_and_passes(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


async def test_another_writer_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    async with await open_database(tmp_path, SystemClock()) as db:
        mission_id = await open_one(db)
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with anyio.create_task_group() as group:

            async def append() -> None:
                await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)

            group.start_soon(append)
            await anyio.lowlevel.checkpoint()
            assert len(await db.log.read(mission_id)) == 1
            other.execute("ROLLBACK")
        other.close()

        assert len(await db.log.read(mission_id)) == 2


async def test_a_broken_table_fails_every_append_with_what_to_do(tmp_path: Path) -> None:
    async with await open_database(tmp_path, SystemClock()) as db:
        mission_id = await open_one(db)
        other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        other.execute("ALTER TABLE events RENAME TO gone")
        with pytest.raises(Unavailable) as refused:
            await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)
        with pytest.raises(Unavailable):
            await db.log.read(mission_id)
        other.execute("ALTER TABLE gone RENAME TO events")
        other.close()

        assert refused.value.code == "storage.failed"
        done = await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=1)
        assert [record.seq for record in done.records] == [2]
