"""Shell commands through the front door, and what is left of them afterwards."""

import dataclasses
import json
import os
import re
import resource
import signal
from pathlib import Path

import anyio
import pytest
from inline_snapshot import snapshot

from open_agent.core.ids import RunId
from open_agent.tools.definition import ToolContext
from open_agent.tools.run_command import run_command
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.calling import call, refusal
from tests.running import gone, running, started

pytestmark = pytest.mark.timeout(20)


async def test_a_command_answers_with_its_exit_code_and_both_streams(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="echo out; echo err >&2; exit 3")
    assert output.exit_code == 3
    assert not output.is_failure
    assert output.content == snapshot("""\
Exit code: 3
--- stdout ---
out
--- stderr ---
err\
""")


async def test_a_silent_success_is_just_that(ctx: ToolContext) -> None:
    assert (await call(run_command, ctx, command="true")).content == "Exit code: 0"


async def test_a_command_that_kills_itself_says_by_which_signal(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="kill -TERM $$")
    assert (output.exit_code, output.content) == (-15, "Ended by signal 15 (SIGTERM)")


async def test_a_command_runs_where_it_is_told(ctx: ToolContext, root: Path) -> None:
    (root / "sub").mkdir()
    assert f"\n{root.resolve()}" in (await call(run_command, ctx, command="pwd")).content
    assert (
        f"\n{root.resolve()}/sub"
        in (await call(run_command, ctx, command="pwd", cwd="sub")).content
    )
    assert "nowhere does not exist" in await refusal(run_command, ctx, command="pwd", cwd="nowhere")


async def test_commands_that_cannot_be_are_refused(ctx: ToolContext) -> None:
    for command in ("", "  \n", "echo \0", "x" * 200_000):
        await refusal(run_command, ctx, command=command)
    assert "less than or equal to 3600" in await refusal(
        run_command, ctx, command="true", timeout_secs=4000
    )


async def test_a_child_in_the_background_is_reported_and_not_waited_for(
    ctx: ToolContext, processes: SupervisedProcesses, mark: str
) -> None:
    """Check 36: the child holds the pipes, and the answer comes all the same."""
    with anyio.fail_after(2):
        output = await call(run_command, ctx, command=f"{mark} & echo hi")
    assert output.exit_code == 0
    assert [process.command for process in output.background] == [mark]
    assert "hi" in output.content
    assert f"(they end with this run):\n  {output.background[0].pid}: {mark}" in output.content

    await processes.end_run(RunId("run"))
    assert running(mark) == []


async def test_a_kept_child_outlives_its_run(
    ctx: ToolContext, processes: SupervisedProcesses, mark: str
) -> None:
    output = await call(run_command, ctx, command=f"setsid {mark} > /dev/null 2>&1 &", keep=True)
    assert output.background[0].is_kept
    await processes.end_run(RunId("run"))
    assert len(running(mark)) == 1
    [tree] = await processes.list_kept(ctx.mission_id)
    assert await processes.end_kept(ctx.mission_id, tree.processes[0].pid)
    assert running(mark) == []


async def test_output_that_comes_just_after_the_shell_is_still_taken(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="(sleep 0.3; echo late) & echo early")
    assert "early\nlate" in output.content
    assert output.background == ()


async def test_a_shell_that_closes_its_output_is_waited_for(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="exec >&- 2>&-; sleep 0.2; exit 9")
    assert output.exit_code == 9


async def test_a_timeout_ends_everything_and_shows_what_there_was(
    ctx: ToolContext, mark: str
) -> None:
    """Check 37."""
    command = f"echo begun; setsid {mark} & env -i nohup {mark} & {mark}"
    output = await call(run_command, ctx, command=command, timeout_secs=1)
    assert running(mark) == []
    assert output.is_failure
    assert output.exit_code is None
    assert output.content.startswith("Timed out after 1 seconds; it and all it had started")
    assert "--- stdout ---\nbegun" in output.content


async def test_a_command_that_waits_in_silence_is_told_so(ctx: ToolContext, mark: str) -> None:
    """Check 39, where a program waits for something else than its input."""
    output = await call(run_command, ctx, command=mark, timeout_secs=4)
    assert "perhaps it was waiting for input" in output.content


@pytest.mark.parametrize(
    "command",
    [
        "read x; echo $?",
        "cat",
        "sudo -k; sudo true",
        "git -c credential.helper= clone https://127.0.0.1:1/nothing.git",
        "ssh -o ConnectTimeout=2 nobody@127.0.0.1 true",
        "less /etc/passwd",
        "visudo -c; $EDITOR /etc/passwd",
        "ed /etc/passwd",
        "python3",
        "tty",
        "read x < /dev/tty",
    ],
)
async def test_what_asks_a_person_finds_nobody_and_ends(ctx: ToolContext, command: str) -> None:
    """Check 39."""
    with anyio.fail_after(4):
        output = await call(run_command, ctx, command=command)
    assert output.exit_code is not None


async def test_a_cancelled_command_leaves_nothing(ctx: ToolContext, mark: str) -> None:
    """Check 37."""
    async with anyio.create_task_group() as group:
        group.start_soon(_forget, ctx, f"trap '' TERM; setsid {mark} & {mark}; {mark}")
        await started(mark, 3)
        group.cancel_scope.cancel()
    assert running(mark) == []


async def _forget(ctx: ToolContext, command: str) -> None:
    await call(run_command, ctx, command=command)


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", "DASHBOARD_PASSWORD", "DATABASE_URL", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "canary-91")


async def test_the_servers_secrets_are_not_in_the_environment(
    canaries: None, ctx: ToolContext
) -> None:
    """Check 43."""
    output = await call(run_command, ctx, command="env; set")
    assert "canary-91" not in output.content
    assert "GIT_TERMINAL_PROMPT=0" in output.content
    tree = "cat /proc/{$$,$PPID}/{environ,cmdline} | grep -c canar[y]; ls /proc/self/fd"
    output = await call(run_command, ctx, command=tree)
    assert output.content.endswith("--- stdout ---\n0\n0\n1\n2\n3")


async def test_a_flood_is_shown_in_part_kept_in_part_and_costs_no_memory(
    ctx: ToolContext,
) -> None:
    """Check 34, at the size that a test may have."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output = await call(run_command, ctx, command="yes | head -c 150M; echo the end")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 50_000, f"{grown} KiB"
    assert len(output.content) < 31_000
    assert output.content.endswith("y\nthe end")
    assert re.search(r"about 157,\d{3},\d{3} bytes left out", output.content)
    assert output.spilled
    assert output.spilled.size == 64 * 1024 * 1024
    path = ctx.blobs.path(ctx.mission_id, output.spilled)
    assert str(path) in output.content
    assert path.stat().st_size == output.spilled.size


async def test_a_long_output_is_whole_in_its_file(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="seq 1 20000; echo oops >&2")
    assert output.spilled
    whole = await ctx.blobs.get(ctx.mission_id, output.spilled)
    assert sorted(whole.split()) == sorted([*(b"%d" % n for n in range(1, 20001)), b"oops"])
    assert "--- stderr ---\noops" in output.content
    assert "characters left out. All of it is in /" in output.content


async def test_lines_of_two_streams_stay_whole_in_the_file(ctx: ToolContext) -> None:
    loop = "for n in {1..300}; do printf no; echo oops >&2; echo $n; done"
    output = await call(run_command, ctx, command=f"{loop}; seq 1 20000 | tr -d '\\n'")
    assert output.spilled
    whole = await ctx.blobs.get(ctx.mission_id, output.spilled)
    lines = whole.split(b"\n")
    assert [line for line in lines if line.startswith(b"no")] == [
        b"no%d" % n for n in range(1, 301)
    ]
    assert lines.count(b"oops") == 300
    assert lines[-1] == b"".join(b"%d" % n for n in range(1, 20001))


async def test_a_short_output_leaves_no_file(ctx: ToolContext, tmp_path: Path) -> None:
    output = await call(run_command, ctx, command="seq 1 100")
    assert output.spilled is None
    assert not (tmp_path / "blobs").exists()


HOSTILE = {
    "one line of 5 MB": "head -c 5000000 /dev/zero | tr '\\0' x",
    "NUL": "printf 'a\\0b'",
    "invalid UTF-8": "printf 'caf\\xe9 \\xff\\xfe \\xc3'",
    "every byte": 'for i in {0..255}; do printf "\\\\x$(printf %x $i)"; done',
    "window title": "printf '\\033]0;evil\\007text'",
    "link": "printf '\\033]8;;http://evil.test\\033\\\\click\\033]8;;\\033\\\\'",
    "clipboard": "printf '\\033]52;c;ZXZpbA==\\007'",
    "unfinished": "printf '\\033]0;never ends'",
    "colours and cursor": "printf '\\033[31mred\\033[0m\\033[2J\\033[1;1H'",
    "direction": "printf 'a\\u202eb\\u2066c'",
    "tags": "printf 'a\\U000e0041b'",
    "progress": 'for i in {1..30000}; do printf "\\r$i%%"; done; echo',
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_whatever_is_printed_is_harmless_text(ctx: ToolContext, kind: str) -> None:
    """Check 35."""
    seen: list[str] = []
    output = await call(
        run_command, dataclasses.replace(ctx, emit=seen.append), command=HOSTILE[kind]
    )
    for text in (output.content, *seen):
        assert json.loads(json.dumps(text).encode()) == text
        text.encode()
        bad = [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f"]
        assert bad == []
        assert not re.search("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", text)
        assert "evil" not in text


async def test_a_progress_bar_is_shown_as_it_ended(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command=HOSTILE["progress"] + "; echo done")
    assert output.content == "Exit code: 0\n--- stdout ---\n30000%\ndone"


async def test_binary_output_is_named_and_not_shown(ctx: ToolContext) -> None:
    output = await call(run_command, ctx, command="head -c 10000 /bin/sh")
    assert "[binary output of 10,000 bytes, not shown." in output.content
    assert output.spilled


async def test_output_is_seen_while_the_command_runs(ctx: ToolContext) -> None:
    live: list[str] = []
    arrived = anyio.Event()

    def emit(text: str) -> None:
        live.append(text)
        arrived.set()

    with anyio.fail_after(4):
        async with anyio.create_task_group() as group:
            group.start_soon(_forget, dataclasses.replace(ctx, emit=emit), "echo one; sleep 100")
            await arrived.wait()
            group.cancel_scope.cancel()
    assert live == ["one\n"]


async def test_a_flood_reaches_watchers_in_few_pieces(ctx: ToolContext) -> None:
    live: list[str] = []
    await call(run_command, dataclasses.replace(ctx, emit=live.append), command="seq 1 300000")
    assert "".join(live).endswith("300000\n")
    assert len(live) < 60
    assert max(map(len, live)) < 17_000


async def test_a_lost_supervisor_is_a_clear_answer(
    ctx: ToolContext, processes: SupervisedProcesses, mark: str
) -> None:
    async def kill() -> None:
        await started(mark)
        assert processes.supervisor_pid
        os.kill(processes.supervisor_pid, signal.SIGKILL)

    said = ""
    with anyio.fail_after(4):
        async with anyio.create_task_group() as group:
            group.start_soon(kill)
            said = await refusal(run_command, ctx, command=f"{mark}; true")
    assert "what it did before is not known" in said
    await gone(mark, seconds=2)
    assert (await call(run_command, ctx, command="true")).exit_code == 0
