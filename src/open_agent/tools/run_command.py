"""Running a shell command: with a deadline, in bounded memory, and with nothing left behind."""

import errno
import math
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import anyio
from pydantic import Field

from open_agent.events.model.base import BlobRef
from open_agent.events.model.tool import BackgroundProcess
from open_agent.tools.capture import Capture
from open_agent.tools.clipping import SHOWN
from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.live import LiveOutput
from open_agent.tools.spill import CAP, Spill
from open_agent.workspaces.processes import ByteReader, Process, ProcessLost

LONGEST = 3600
STRAGGLERS = 0.05
"""Seconds in which what has closed its output may still end, and is not called background."""
DRAIN = 1.0
"""Seconds in which output may still come after the shell has ended: children hold its pipes."""
SILENCE = 3.0
"""Seconds without output after which a command that timed out was perhaps waiting for input."""
LARGEST_COMMAND = 120_000
"""Bytes; Linux takes no argument of 128 KiB."""
SHOWN_OF_STDERR = SHOWN // 3


@tool(effect=Effect.EXECUTE, timeout=LONGEST + 60)
async def run_command(
    ctx: ToolContext,
    command: str,
    cwd: str | None = None,
    timeout_secs: Annotated[int, Field(ge=1, le=LONGEST)] = 60,
    keep: bool = False,
) -> ToolOutput:
    """Run a shell command with bash. There is no terminal and no input: pass flags such as `-y`.

    It returns when the shell ends. What runs on in the background (`server > log 2>&1 &`) is
    reported, and ends with this run unless `keep` is set.

    Args:
        command: One command or a whole script.
        cwd: Where to run it; by default the working directory.
        timeout_secs: Seconds after which the command, and all it started, is ended.
        keep: Let background processes outlive this run.
    """
    _check(command)
    folder = ctx.workspace.resolve(cwd) if cwd else ctx.workspace.root
    process = await _start(ctx, command, folder)
    watch = Watch(ctx, process)
    try:
        in_time = await watch.follow(timeout_secs)
        if not in_time:
            await process.terminate()
            with anyio.move_on_after(DRAIN):
                await watch.drain()
        return await _report(watch, None if in_time else timeout_secs, keep=keep)
    except BaseException:
        await process.terminate()
        raise
    finally:
        process.release()
        with anyio.CancelScope(shield=True):
            await watch.spill.discard()


def _check(command: str) -> None:
    if not command.strip():
        raise ToolFailed("The command is empty.")
    if "\0" in command:
        raise ToolFailed("The command holds a NUL character.")
    if len(command.encode("utf-8", "replace")) > LARGEST_COMMAND:
        raise ToolFailed(
            f"The command is longer than {LARGEST_COMMAND:,} bytes. Write it to a file and run that."
        )


async def _start(ctx: ToolContext, command: str, folder: Path) -> Process:
    try:
        return await _start_with(ctx, "bash", command, folder)
    except FileNotFoundError as error:
        if error.filename != "bash":
            raise ToolFailed(f"The directory {folder} does not exist.") from None
    return await _start_with(ctx, "sh", command, folder)


async def _start_with(ctx: ToolContext, shell: str, command: str, folder: Path) -> Process:
    # Not a login shell: `-lc` reads start-up files, 155 ms instead of 1.3.
    argv: Sequence[str] = [shell, "-c", command]
    try:
        return await ctx.workspace.start(argv, cwd=folder, owner=ctx.owner)
    except NotADirectoryError:
        raise ToolFailed(f"{folder} is not a directory.") from None
    except OSError as error:
        if error.errno != errno.EAGAIN:
            raise
        raise ToolFailed("The machine has too many processes to start another.") from None


class Watch:
    """A running command and what it has written."""

    def __init__(self, ctx: ToolContext, process: Process) -> None:
        self.process = process
        self.stdout = Capture()
        self.stderr = Capture()
        self.spill = Spill(ctx)
        self.live = LiveOutput(ctx.emit)
        self.ctx = ctx
        self.has_drained = anyio.Event()
        self.silent_since = anyio.current_time()

    async def follow(self, seconds: float) -> bool:
        """Take its output until the shell has ended; whether it did in time.

        Raises:
            ProcessLost: It cannot be known how the command ended.
        """
        lost: ProcessLost | None = None
        with anyio.move_on_after(seconds) as deadline:
            async with anyio.create_task_group() as group:
                group.start_soon(self.live.run)
                group.start_soon(self.drain)
                try:
                    await self.process.wait()
                except ProcessLost as error:
                    lost = error
                deadline.deadline = math.inf
                with anyio.move_on_after(DRAIN):
                    await self.has_drained.wait()
                group.cancel_scope.cancel()
        self.live.flush()
        if lost:
            raise lost
        return not deadline.cancelled_caught

    async def drain(self) -> None:
        """Take what comes until both streams end."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._pump, "stdout", self.process.stdout, self.stdout)
            group.start_soon(self._pump, "stderr", self.process.stderr, self.stderr)
        self.has_drained.set()

    async def _pump(self, stream: str, reader: ByteReader, capture: Capture) -> None:
        while data := await reader.read():
            capture.add(data)
            self.live.add(data)
            self.silent_since = anyio.current_time()
            await self.spill.add(data, stream)


async def _report(watch: Watch, timed_out_after: int | None, *, keep: bool) -> ToolOutput:
    process = watch.process
    if keep and timed_out_after is None:
        process.keep()
    if watch.has_drained.is_set():
        with anyio.move_on_after(STRAGGLERS):
            await process.wait_gone()
    background = tuple(await process.background())
    fits = watch.stdout.size + watch.stderr.size <= SHOWN
    spilled = None if fits and not _looks_binary(watch) else await watch.spill.finish()
    return ToolOutput(
        _text(watch, timed_out_after, background, spilled),
        exit_code=process.exit_code if timed_out_after is None else None,
        spilled=spilled,
        background=background,
        is_failure=timed_out_after is not None,
    )


def _looks_binary(watch: Watch) -> bool:
    return watch.stdout.looks_binary or watch.stderr.looks_binary


def _text(
    watch: Watch,
    timed_out_after: int | None,
    background: tuple[BackgroundProcess, ...],
    spilled: BlobRef | None,
) -> str:
    parts = [_how_it_ended(watch, timed_out_after)]
    advice = ""
    if spilled:
        path = watch.ctx.blobs.path(watch.ctx.mission_id, spilled)
        first = f"The first {CAP:,} bytes are" if spilled.size >= CAP else "All of it is"
        advice = f"{first} in {path}: read_file or grep_search."
    stderr = watch.stderr.text(SHOWN_OF_STDERR, advice).rstrip("\n")
    stdout = watch.stdout.text(SHOWN - len(stderr), advice).rstrip("\n")
    if stdout:
        parts.append(f"--- stdout ---\n{stdout}")
    if stderr:
        parts.append(f"--- stderr ---\n{stderr}")
    if background:
        fate = "kept until they end" if background[0].is_kept else "they end with this run"
        listed = "\n".join(f"  {process.pid}: {process.command}" for process in background)
        parts.append(f"Still running in the background ({fate}):\n{listed}")
    return "\n".join(parts)


def _how_it_ended(watch: Watch, timed_out_after: int | None) -> str:
    code = watch.process.exit_code
    if timed_out_after is not None:
        said = f"Timed out after {timed_out_after} seconds; it and all it had started was ended."
        silence = anyio.current_time() - watch.silent_since
        if silence >= SILENCE:
            return (
                f"{said} It had written nothing for {silence:.0f} seconds: perhaps it was waiting"
                " for input, which no command gets here."
            )
        return f"{said} Run what takes longer with a larger timeout_secs, or in the background."
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        return f"Ended by signal {-code} ({name})"
    return f"Exit code: {code}"
