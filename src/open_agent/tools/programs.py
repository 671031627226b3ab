"""Running a program of ours (git, ripgrep) to its end, in bounded memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.tools.capture import Capture
from open_agent.tools.definition import ToolContext, ToolFailed
from open_agent.workspaces.processes import ByteReader, Process

LONGEST_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program did."""

    exit_code: int
    stdout: Capture
    stderr: Capture


@dataclass(frozen=True, slots=True)
class Lines:
    """The first lines that a program wrote."""

    lines: list[bytes]
    is_cut: bool
    """There were more, or time was over."""
    exit_code: int | None
    """None if it was not left to end."""
    complaint: str


async def run(
    ctx: ToolContext, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> Finished:
    """Run a program to its end. Cancelled, it is ended with all it started."""
    process = await _start(ctx, argv, cwd, env)
    finished = Finished(0, Capture(), Capture())
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_pump, process.stdout, finished.stdout.add)
            group.start_soon(_pump, process.stderr, finished.stderr.add)
        return Finished(await process.wait(), finished.stdout, finished.stderr)
    finally:
        await _end(process)


async def first_lines(
    ctx: ToolContext,
    argv: Sequence[str],
    *,
    cwd: Path,
    limit: int,
    seconds: float,
    separator: bytes = b"\n",
) -> Lines:
    """Run a program until it ends, has written `limit` lines, or time is over."""
    process = await _start(ctx, argv, cwd, {})
    taken = _Lines(limit, separator)
    complaint = Capture()
    exit_code: int | None = None
    try:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                group.start_soon(_pump, process.stderr, complaint.add)
                await taken.take_from(process.stdout)
                if taken.is_full:
                    group.cancel_scope.cancel()
            if not taken.is_full:
                exit_code = await process.wait()
    finally:
        await _end(process)
    return Lines(taken.lines, exit_code is None, exit_code, complaint.text(2_000).strip())


class _Lines:
    def __init__(self, limit: int, separator: bytes) -> None:
        self.lines: list[bytes] = []
        self._limit = limit
        self._separator = separator
        self._rest = b""

    @property
    def is_full(self) -> bool:
        return len(self.lines) >= self._limit

    async def take_from(self, reader: ByteReader) -> None:
        while not self.is_full and (data := await reader.read()):
            *whole, rest = (self._rest + data).split(self._separator)
            self._rest = rest[:LONGEST_LINE]
            self.lines += whole[: self._limit - len(self.lines)]


async def _start(
    ctx: ToolContext, argv: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> Process:
    program = ctx.workspace.program(argv[0])
    try:
        return await ctx.workspace.start([program, *argv[1:]], cwd=cwd, env=env, owner=ctx.owner)
    except FileNotFoundError as error:
        if error.filename == program:
            raise ToolFailed(f"{argv[0]} is not installed on this machine.") from None
        raise ToolFailed(f"The directory {cwd} does not exist.") from None
    except NotADirectoryError:
        raise ToolFailed(f"{cwd} is not a directory.") from None


async def _pump(reader: ByteReader, add: Callable[[bytes], None]) -> None:
    while data := await reader.read():
        add(data)


async def _end(process: Process) -> None:
    await process.terminate(grace=0)
    process.release()
