"""Deaths: of the server, of a keeper, of the supervisor itself."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from open_agent.core.errors import Unavailable
from open_agent.workspaces.processes import ProcessLost
from open_agent.workspaces.supervised import SupervisedProcesses, wait_for_predecessor
from tests.running import gone, running, started

ENV = {"PATH": os.environ["PATH"]}
pytestmark = pytest.mark.timeout(20)

SERVER = """
import sys
from pathlib import Path
import anyio
from open_agent.workspaces.supervised import SupervisedProcesses

async def main():
    processes = SupervisedProcesses(Path(sys.argv[1]))
    for command in sys.argv[2:]:
        await processes.start(["bash", "-c", command], cwd=Path("/"), env={"PATH": "/usr/bin:/bin"})
    print(processes.supervisor_pid, flush=True)
    await anyio.sleep_forever()

anyio.run(main)
"""


@contextmanager
def server(lock: Path, *commands: str) -> Generator[tuple[subprocess.Popen[bytes], int]]:
    program = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(lock), *commands], stdout=subprocess.PIPE
    )
    with program:
        assert program.stdout
        try:
            yield program, int(program.stdout.readline())
        finally:
            program.kill()


async def test_everything_ends_within_two_seconds_of_the_servers_kill(
    tmp_path: Path, mark: str
) -> None:
    """Check 38."""
    lock = tmp_path / "lock"
    commands = (f"trap '' TERM; setsid {mark} & env -i setsid nohup {mark}", f"{mark}")
    with server(lock, *commands) as (program, supervisor):
        await started(mark, 4)
        with pytest.raises(Unavailable) as problem:
            await wait_for_predecessor(lock, seconds=0.1)
        assert problem.value.code == "processes.still_running"
        program.kill()
        with anyio.fail_after(2):
            await wait_for_predecessor(lock, seconds=5)
        # The server is its own process's name and holds the mark: it is reaped with the block.
        assert [line for line in running(mark) if not line.startswith(f"{program.pid} ")] == []
    await gone(f"{supervisor} ", seconds=1)


async def test_a_first_start_waits_for_nobody(tmp_path: Path) -> None:
    await wait_for_predecessor(tmp_path / "lock", seconds=0)


async def test_what_a_killed_keeper_kept_is_ended(
    processes: SupervisedProcesses, mark: str
) -> None:
    process = await processes.start(
        ["bash", "-c", f"setsid {mark} & {mark}"], cwd=Path("/"), env=ENV
    )
    await started(mark, 3)
    os.kill(parent_of(process.pid), signal.SIGKILL)
    with pytest.raises(ProcessLost), anyio.fail_after(2):
        await process.wait()
    await gone(mark, seconds=3)
    again = await processes.start(["true"], cwd=Path("/"), env=ENV)
    assert await again.wait() == 0


async def test_a_killed_supervisor_costs_what_ran_and_not_what_comes_next(
    processes: SupervisedProcesses, tmp_path: Path, mark: str
) -> None:
    process = await processes.start(
        ["bash", "-c", f"setsid {mark} & {mark}"], cwd=Path("/"), env=ENV
    )
    await started(mark, 3)
    before = processes.supervisor_pid
    assert before
    os.kill(before, signal.SIGKILL)
    with anyio.fail_after(2):
        with pytest.raises(ProcessLost):
            await process.wait()
        # The keepers hold the lock until their trees have ended.
        await wait_for_predecessor(tmp_path / "supervisor.lock", seconds=2)
    assert running(mark) == []

    again = await processes.start(["true"], cwd=Path("/"), env=ENV)
    assert await again.wait() == 0
    assert processes.supervisor_pid != before


async def test_a_term_that_was_meant_for_others_changes_nothing(
    processes: SupervisedProcesses, mark: str
) -> None:
    process = await processes.start(["bash", "-c", f"{mark} & wait"], cwd=Path("/"), env=ENV)
    await started(mark, 2)
    for pid in (parent_of(process.pid), processes.supervisor_pid):
        assert pid
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGINT)
    again = await processes.start(["true"], cwd=Path("/"), env=ENV)
    assert await again.wait() == 0
    assert len(await process.background()) == 2


async def test_closing_ends_everything_and_the_supervisor(tmp_path: Path, mark: str) -> None:
    async with SupervisedProcesses(tmp_path / "lock") as processes:
        await processes.start(
            ["bash", "-c", f"trap '' TERM; {mark} & wait"], cwd=Path("/"), env=ENV
        )
        await started(mark, 2)
        supervisor = processes.supervisor_pid
    assert running(mark) == []
    assert not Path(f"/proc/{supervisor}").exists()


async def test_the_supervisor_knows_nothing_of_the_servers_environment(
    processes: SupervisedProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check 43."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "canary-7f3a")
    process = await processes.start(["sleep", "100"], cwd=Path("/"), env=ENV)
    keeper = parent_of(process.pid)
    for pid in (process.pid, keeper, processes.supervisor_pid):
        assert b"canary-7f3a" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"canary-7f3a" not in Path(f"/proc/{pid}/cmdline").read_bytes()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
