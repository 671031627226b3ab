"""How fast events become durable, and what each costs.

    python -m bench.append            # a table, and a line of JSON at the end

Every run appends one event of about 1 KB at a time to a mission of its own and waits until it is
durable, as the agent's loop does. The disk's own `fdatasync` is measured beside it, since that is
the floor of a commit.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio

from open_agent.core.clock import SystemClock
from open_agent.core.ids import CallId, MissionId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.tool import ToolReturned
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.testing.postgres import running_postgres


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    database: str
    runs: int
    owners: int
    events_per_second: int
    cpu_ms_per_append: float
    p50_ms: float
    p99_ms: float
    events_per_commit: float
    commit_ms: float | None
    """What a commit of that many takes, from the start of its transaction to its end."""
    of_commits: float | None
    """Throughput beside that of commits without a pause: 1.0 means that the writer never waits."""


def measure_fdatasync(folder: Path, times: int = 300) -> float:
    """The median time, in ms, that this disk takes to make 4 KB durable."""
    path = folder / "probe"
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    seconds: list[float] = []
    for number in range(times):
        os.pwrite(descriptor, b"x" * 4096, number * 4096)
        before = time.perf_counter()
        os.fdatasync(descriptor)
        seconds.append(time.perf_counter() - before)
    os.close(descriptor)
    path.unlink()
    return statistics.median(seconds) * 1000


async def append_for(
    db: Database, mission_id: MissionId, deadline: float, latencies: list[float]
) -> None:
    """One run: append, wait until it is durable, append again."""
    seq = 1
    while (before := time.perf_counter()) < deadline:
        event = ToolReturned(
            call_id=CallId(f"call-{seq}"),
            name="run_command",
            outcome="ok",
            content="x" * 900,
            duration_ms=12,
        )
        done = await db.log.append(mission_id, 0, [event], run_id=None, known_seq=seq)
        seq = done.records[-1].seq
        latencies.append(time.perf_counter() - before)


async def bench(folder: Path, url: str | None, runs: int, owners: int, seconds: float) -> Result:
    """Open a new database and let `runs` append to it at once."""
    begins: list[float] = []
    ends: list[float] = []

    def count(stage: str) -> None:
        if stage != "commit":
            (begins if stage == "begin" else ends).append(time.perf_counter())

    data = Path(tempfile.mkdtemp(dir=folder))
    async with await open_database(data, SystemClock(), url=url, on_stage=count) as db:
        # As in a server: somebody listens, so every event is also encoded for watchers.
        db.log.on_commit(lambda owner, records: None)
        missions: list[MissionId] = []
        for number in range(runs):
            missions.append(MissionId(new_uuid()))
            created = MissionCreated(
                owner_id=UserId(f"owner-{number % owners}"),
                kind=MissionKind.TASK,
                workspace="/work",
                is_workspace_ours=True,
                host_id="host",
            )
            await db.log.open_mission(missions[-1], created, None, key=None, digest="")
        latencies: list[float] = []
        begins.clear()
        ends.clear()
        before, cpu = time.perf_counter(), time.process_time()
        async with anyio.create_task_group() as group:
            for mission_id in missions:
                group.start_soon(append_for, db, mission_id, before + seconds, latencies)
        elapsed, cpu = time.perf_counter() - before, time.process_time() - cpu
    latencies.sort()
    appends = len(latencies)
    batch = appends / len(ends) if ends else 0.0
    commit = sum(ends) - sum(begins)
    return Result(
        database="postgres" if url else "sqlite",
        runs=runs,
        owners=owners,
        events_per_second=round(appends / elapsed),
        cpu_ms_per_append=round(cpu * 1000 / appends, 3),
        p50_ms=round(latencies[appends // 2] * 1000, 2),
        p99_ms=round(latencies[appends * 99 // 100] * 1000, 2),
        events_per_commit=round(batch, 1),
        commit_ms=round(commit / len(ends) * 1000, 2) if ends else None,
        of_commits=round(commit / elapsed, 2) if ends else None,
    )


def show(results: list[Result], sync_ms: float) -> None:
    """The table."""
    write = sys.stdout.write
    write(f"fdatasync of this disk: {sync_ms:.3f} ms (median)\n")
    write(
        "database  runs owners   events/s   CPU ms   p50 ms   p99 ms  per commit  commit ms  of commits\n"
    )
    for r in results:
        commit = "" if r.commit_ms is None else f"{r.commit_ms:10.2f} {r.of_commits:11.2f}"
        write(
            f"{r.database:<9} {r.runs:>4} {r.owners:>6} {r.events_per_second:>10}"
            f" {r.cpu_ms_per_append:>8.3f} {r.p50_ms:>8.2f} {r.p99_ms:>8.2f}"
            f" {r.events_per_commit:>11.1f} {commit}\n"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    arguments = parser.parse_args()
    results: list[Result] = []

    def run(url: str | None, runs: int, owners: int) -> None:
        results.append(
            anyio.run(
                lambda: bench(folder, url, runs, owners, arguments.seconds),
                backend_options={"use_uvloop": True},
            )
        )

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sync_ms = measure_fdatasync(folder)
        if arguments.only != "postgres":
            for runs, owners in ((1, 1), (20, 20), (20, 1), (200, 20)):
                run(None, runs, owners)
        if arguments.only != "sqlite":
            server = stack.enter_context(running_postgres(is_durable=True))
            for number, (runs, owners) in enumerate(((1, 1), (20, 20), (20, 1), (200, 20))):
                run(server.create_database(f"bench_{number}"), runs, owners)
    show(results, sync_ms)
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.release()}",
        "python": platform.python_version(),
        "fdatasync_ms": round(sync_ms, 3),
        "results": [asdict(result) for result in results],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
