"""Processes, for as long as the server lives."""

import os
from pathlib import Path

import anyio
import pytest

from open_agent.core.ids import MissionId, RunId
from open_agent.workspaces.keeping import SupervisedProcess
from open_agent.workspaces.processes import ProcessOwner
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.running import gone, running, started

ENV = {"PATH": os.environ["PATH"]}
pytestmark = pytest.mark.timeout(20)
OWNER = ProcessOwner(MissionId("mission"), RunId("run"))

ESCAPES = {
    "plain": "{mark}; true",
    "in the background": "{mark} & wait",
    "ignores TERM": "trap '' TERM; {mark} & wait; {mark}",
    "setsid": "setsid {mark} & wait",
    "double fork": "(setsid sh -c '{mark} & disown; exit' &) ; {mark}",
    "nohup": "nohup {mark} & wait",
    "env -i": "env -i {mark} & wait",
    "stopped": "{mark} & kill -STOP $!; wait",
    "all at once": "(trap '' TERM HUP; env -i setsid nohup setsid {mark} & kill -STOP $!) & wait; {mark}",
}


async def sh(processes: SupervisedProcesses, command: str, **options: object) -> SupervisedProcess:
    owner = options.pop("owner", OWNER)
    assert isinstance(owner, ProcessOwner)
    return await processes.start(
        ["bash", "-c", command], cwd=Path("/"), env=ENV, owner=owner, stdin=bool(options)
    )


async def everything(process: SupervisedProcess) -> bytes:
    output = b""
    while data := await process.stdout.read():
        output += data
    return output


async def test_a_program_gets_its_arguments_its_folder_and_its_environment_and_nothing_else(
    processes: SupervisedProcesses, tmp_path: Path
) -> None:
    """Check 43: environment as given, no descriptor but three, no input."""
    process = await processes.start(
        ["bash", "-c", 'pwd; cat; echo "$0"; env; ls /proc/$$/fd; true', "a b\n"],
        cwd=tmp_path,
        env={**ENV, "ONE": "1"},
    )
    lines = (await everything(process)).decode().splitlines()
    assert lines[:3] == [str(tmp_path), "a b", ""]
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert names <= {"PATH", "ONE", "PWD", "OLDPWD", "SHLVL", "_"}
    assert lines[-3:] == ["0", "1", "2"]
    assert await process.wait() == 0


async def test_exit_codes_are_told_and_signals_are_negative(processes: SupervisedProcesses) -> None:
    assert await (await sh(processes, "exit 7")).wait() == 7
    assert await (await sh(processes, "kill -9 $$")).wait() == -9


async def test_output_and_complaints_come_apart(processes: SupervisedProcesses) -> None:
    process = await sh(processes, "echo out; echo err >&2")
    assert await process.stdout.read() == b"out\n"
    assert await process.stderr.read() == b"err\n"
    assert await process.stderr.read() == b""


async def test_a_program_can_be_talked_to(processes: SupervisedProcesses) -> None:
    process = await processes.start(["cat"], cwd=Path("/"), env=ENV, stdin=True)
    assert process.stdin
    for word in (b"one", b"two"):
        await process.stdin.write(word)
        assert await process.stdout.read() == word
    large = b"x" * 1_000_000
    async with anyio.create_task_group() as group:
        group.start_soon(process.stdin.write, large)
        received = 0
        while received < len(large):
            received += len(await process.stdout.read())
    process.stdin.close()
    assert await process.stdout.read() == b""
    assert await process.wait() == 0
    process.release()


async def test_who_waits_for_output_when_it_is_released_gets_the_end(
    processes: SupervisedProcesses,
) -> None:
    process = await processes.start(["cat"], cwd=Path("/"), env=ENV, stdin=True)
    async with anyio.create_task_group() as group:
        group.start_soon(everything, process)
        await anyio.wait_all_tasks_blocked()
        process.release()
    assert await process.stdout.read() == b""
    await process.wait_gone()


async def test_a_program_whose_reader_has_gone_breaks_the_pipe(
    processes: SupervisedProcesses,
) -> None:
    process = await processes.start(["true"], cwd=Path("/"), env=ENV, stdin=True)
    await process.wait_gone()
    assert process.stdin
    with pytest.raises(BrokenPipeError):
        await process.stdin.write(b"anybody?")


async def test_what_cannot_be_started_says_so(
    processes: SupervisedProcesses, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("")
    with pytest.raises(FileNotFoundError) as problem:
        await processes.start(["no-such-program"], cwd=tmp_path, env=ENV)
    assert problem.value.filename == "no-such-program"
    with pytest.raises(FileNotFoundError) as problem:
        await processes.start(["true"], cwd=tmp_path / "nowhere", env=ENV)
    assert problem.value.filename == str(tmp_path / "nowhere")
    with pytest.raises(PermissionError):
        await processes.start([str(tmp_path / "plain")], cwd=tmp_path, env=ENV)
    with pytest.raises(OSError, match="Argument list too long"):
        await processes.start(["true", "x" * 200_000], cwd=tmp_path, env=ENV)


@pytest.mark.parametrize("escape", ESCAPES)
async def test_ending_a_process_ends_everything_it_started(
    processes: SupervisedProcesses, mark: str, escape: str
) -> None:
    """Check 37."""
    process = await sh(processes, ESCAPES[escape].format(mark=mark))
    await started(mark, 2)
    with anyio.fail_after(4):
        await process.terminate(grace=0.3)
    assert running(mark) == []
    assert process.is_gone


async def test_processes_that_end_politely_are_given_the_time(
    processes: SupervisedProcesses, tmp_path: Path, mark: str
) -> None:
    said = tmp_path / "said"
    process = await sh(
        processes, f"trap 'sleep 0.2; echo goodbye > {said}; exit 4' TERM; echo up; {mark} & wait"
    )
    assert await process.stdout.read() == b"up\n"
    await process.terminate()
    assert said.read_text() == "goodbye\n"
    assert await process.wait() == 4


async def test_a_stopped_process_can_end_politely_too(
    processes: SupervisedProcesses, tmp_path: Path, mark: str
) -> None:
    said = tmp_path / "said"
    process = await sh(
        processes, f"trap 'echo goodbye > {said}; exit' TERM; echo up; kill -STOP $$; {mark}"
    )
    assert await process.stdout.read() == b"up\n"
    with anyio.fail_after(2):
        await process.terminate(grace=4)
    assert said.read_text() == "goodbye\n"


async def test_what_is_left_by_a_process_that_ended_politely_is_asked_too(
    processes: SupervisedProcesses, mark: str
) -> None:
    process = await sh(
        processes, f"trap '{mark} & exit' TERM; echo up; while :; do sleep 0.01; done"
    )
    assert await process.stdout.read() == b"up\n"
    with anyio.fail_after(2):
        await process.terminate(grace=4)
    assert running(mark) == []


@pytest.mark.parametrize("own_session", ["", "setsid "])
async def test_processes_that_are_always_newer_ones_are_ended(
    processes: SupervisedProcesses, tmp_path: Path, own_session: str
) -> None:
    # Each starts the next and ends; twenty lines of them, for half a minute at most.
    script = tmp_path / "chain"
    script.write_text(f"[ $1 -gt 4000 ] || {own_session}bash {script} $(($1 + 1)) &")
    process = await sh(processes, f"for i in {{1..20}}; do bash {script} 1; done")
    await started(str(script), 10)
    with anyio.fail_after(10):
        await process.terminate(grace=0)
    assert running(str(script)) == []


async def test_what_runs_in_the_background_is_listed(
    processes: SupervisedProcesses, mark: str
) -> None:
    process = await sh(processes, f"setsid {mark} & exit 5")
    assert await process.wait() == 5
    while [found.command for found in await process.background()] != [mark]:
        await anyio.sleep(0)  # it is `setsid …` until it has become what it starts
    assert not process.is_gone
    await process.terminate()
    assert await process.background() == []


async def test_a_process_in_the_background_can_go_on_writing(
    processes: SupervisedProcesses, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    process = await sh(processes, f"(head -c 5000000 /dev/zero && touch {done}) & echo up")
    await process.wait()
    process.release()
    with anyio.fail_after(4):
        await process.wait_gone()
    assert done.exists()


async def test_a_run_ends_its_own_processes_but_for_those_it_keeps(
    processes: SupervisedProcesses, mark: str
) -> None:
    mission = MissionId("mission")
    mine, kept, other = [
        await sh(processes, mark, owner=ProcessOwner(mission, RunId(run)))
        for run in ("run", "run", "another")
    ]
    kept.keep()
    await processes.end_run(RunId("run"))
    assert (mine.is_gone, kept.is_gone, other.is_gone) == (True, False, False)

    [tree] = await processes.list_kept(mission)
    assert tree.owner.run_id == "run"
    assert [(found.pid, found.is_kept) for found in tree.processes] == [(kept.pid, True)]
    assert not await processes.end_kept(mission, other.pid)
    assert not await processes.end_kept(MissionId("other"), kept.pid)
    assert await processes.end_kept(mission, kept.pid)
    assert await processes.list_kept() == []

    await processes.end_mission(mission)
    assert running(mark) == []


async def test_a_start_that_is_cancelled_leaves_nothing(
    processes: SupervisedProcesses, mark: str
) -> None:
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(sh, processes, f"{mark}")
            await anyio.sleep(0)
            scope.cancel()
    await (await sh(processes, "exit")).wait_gone()
    await gone(mark, seconds=3)


async def test_fifty_commands_at_once(processes: SupervisedProcesses) -> None:
    codes: list[int] = []

    async def run(code: int) -> None:
        process = await sh(processes, f"echo {code}; exit {code}")
        assert await everything(process) == f"{code}\n".encode()
        codes.append(await process.wait())
        process.release()

    async with anyio.create_task_group() as group:
        for code in range(50):
            group.start_soon(run, code)
    assert sorted(codes) == list(range(50))


def test_it_works_on_the_event_loop_that_the_server_uses(tmp_path: Path, mark: str) -> None:
    async def main() -> None:
        async with SupervisedProcesses(tmp_path / "lock") as processes:
            process = await processes.start(["cat"], cwd=Path("/"), env=ENV, stdin=True)
            assert process.stdin
            async with anyio.create_task_group() as group:
                group.start_soon(process.stdin.write, b"x" * 500_000)
                received = 0
                while received < 500_000:
                    received += len(await process.stdout.read())
            process.stdin.close()
            assert await process.wait() == 0
            process = await sh(processes, f"(yes & setsid {mark}) & echo up")
            assert (await process.stdout.read()).startswith(b"up\n")
            process.release()
            await process.terminate()
        assert running(mark) == []

    anyio.run(main, backend_options={"use_uvloop": True})


async def test_nothing_is_left_open(processes: SupervisedProcesses) -> None:
    await (await sh(processes, "true")).wait_gone()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        process = await sh(processes, "echo hi; echo ho >&2")
        await process.wait_gone()
        process.release()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
