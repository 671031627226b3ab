"""What every isolation owes to tools, backends and MCP. The tools' own tests run under each, too."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from open_agent.core.ids import MissionId, RunId
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import Process, ProcessOwner
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.isolations import KINDS, isolation_of
from tests.running import gone, running

OWNER = ProcessOwner(MissionId("mission"), RunId("run"))


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[SupervisedProcesses]:
    async with SupervisedProcesses(tmp_path / "supervisor.lock") as processes:
        yield processes


@pytest.fixture(params=KINDS)
def isolation(request: pytest.FixtureRequest, processes: SupervisedProcesses) -> Isolation:
    return isolation_of(
        request.param,
        processes,
        {"PATH": os.environ["PATH"], "HOME": "/home/agent"},
        {"rg": "/x/rg"},
    )


async def said(process: Process) -> str:
    output = bytearray()
    with anyio.fail_after(10):
        while data := await process.stdout.read():
            output += data
        await process.wait()
    return output.decode()


async def test_a_workspace_is_made_where_it_is_ours_and_nowhere_else(
    isolation: Isolation, tmp_path: Path
) -> None:
    made = await isolation.workspace(tmp_path / "deep" / "made")
    assert made.root.is_dir()
    left = await isolation.workspace(tmp_path / "left", is_made=False)
    assert not left.root.exists()
    with pytest.raises(FileNotFoundError):
        await left.stat(left.root)


async def test_what_a_workspace_writes_its_programs_read(
    isolation: Isolation, tmp_path: Path
) -> None:
    workspace = await isolation.workspace(tmp_path / "work")
    await workspace.write(workspace.resolve("a/b.txt"), b"hello")
    process = await workspace.start(["cat", "a/b.txt"], owner=OWNER)
    assert await said(process) == "hello"
    entries = await workspace.list(workspace.resolve("a"), limit=10)
    assert [entry.name for entry in entries.entries] == ["b.txt"]


async def test_a_program_that_serves_gets_exactly_its_environment(
    isolation: Isolation, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "ONLY": "this"}
    process = await isolation.start(["env"], cwd=tmp_path, env=env)
    assert dict(line.split("=", 1) for line in (await said(process)).splitlines()) == env


async def test_everything_goes_through_what_surrounds_it(
    isolation: Isolation, tmp_path: Path
) -> None:
    workspace = await isolation.workspace(tmp_path)
    base = str(os.nice(0))
    inner = str(os.nice(0) + 1)
    expected = inner if isolation.name == "wrapped" else base
    of_a_run = await workspace.start(["nice"], owner=OWNER)
    of_the_server = await isolation.start(["nice"], cwd=tmp_path, env={"PATH": os.environ["PATH"]})
    assert (await said(of_a_run)).strip() == expected
    assert (await said(of_the_server)).strip() == expected


async def test_a_program_or_directory_that_is_not_there_is_said_by_its_name(
    isolation: Isolation, tmp_path: Path
) -> None:
    workspace = await isolation.workspace(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        await workspace.start(["no-such-program"], owner=OWNER)
    assert error.value.filename == "no-such-program"
    with pytest.raises(FileNotFoundError):
        await workspace.start(["true"], owner=OWNER, cwd=tmp_path / "nowhere")


async def test_what_belongs_to_a_run_ends_with_it(
    isolation: Isolation, tmp_path: Path, processes: SupervisedProcesses
) -> None:
    workspace = await isolation.workspace(tmp_path)
    mark = f"1000.{abs(hash(str(tmp_path)))}"
    await workspace.start(["setsid", "sleep", mark], owner=OWNER)
    with anyio.fail_after(10):
        while not running(mark):
            await anyio.sleep(0.005)
    await processes.end_run(RunId("run"))
    await gone(mark, seconds=5)


async def test_programs_that_come_with_us_are_called_by_their_place(isolation: Isolation) -> None:
    assert isolation.program("rg") == "/x/rg"
    assert isolation.program("git") == "git"
    assert isolation.environment()["HOME"] == "/home/agent"
