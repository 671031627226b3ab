"""Running a program to its end, within a time and with a bounded answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.mcp.servers.desktop.programs import Need, missing
from open_agent.tools.definition import ToolFailed
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import ByteReader, ByteWriter, Process

MOST_BYTES = 32 * 1024 * 1024
"""Of an answer: a screen of 7680 × 4320 that shows noise has more, and is refused."""
MOST_COMPLAINT = 4_000


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program did."""

    program: str
    exit_code: int
    stdout: bytes
    complaint: str

    def checked(self) -> "Finished":
        """Itself, if the program says that all went well.

        Raises:
            ToolFailed: It does not; the text is its complaint.
        """
        if self.exit_code:
            said = self.complaint.strip() or self.stdout.decode(errors="replace").strip()
            raise ToolFailed(f"{self.program} failed: {said[-500:] or f'exit {self.exit_code}'}")
        return self


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where programs run, and what they know."""

    isolation: Isolation
    cwd: Path
    env: Mapping[str, str]


async def start(around: Surroundings, need: Need, *arguments: str, program: str = "") -> Process:
    """Start the best program there is for a need, with these arguments.

    Raises:
        ToolFailed: There is none; the text says what to install.
    """
    for name in (program,) if program else need.programs:
        try:
            return await _start(around, [name, *arguments])
        except FileNotFoundError as error:
            if error.filename != name:
                raise
    raise ToolFailed(missing(need))


async def run(
    around: Surroundings, argv: Sequence[str], *, seconds: float, given: bytes | None = None
) -> Finished:
    """Run a program to its end; cancelled or late, it is ended.

    Args:
        around: Where.
        argv: The program and its arguments.
        seconds: How long it may take.
        given: What it reads, if anything.

    Raises:
        FileNotFoundError: It is not installed.
        ToolFailed: It took too long, or said too much.
    """
    process = await _start(around, argv, has_input=given is not None)
    stdout, stderr = _Kept(MOST_BYTES), _Kept(MOST_COMPLAINT)
    try:
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                if process.stdin is not None:
                    group.start_soon(_give, process.stdin, given or b"")
                group.start_soon(stdout.take, process.stdout)
                group.start_soon(stderr.take, process.stderr)
            exit_code = await process.wait()
            if stdout.is_cut:
                raise ToolFailed(f"{argv[0]} gave more than {MOST_BYTES:,} bytes.")
            complaint = stderr.data.decode(errors="replace")
            return Finished(argv[0], exit_code, bytes(stdout.data), complaint)
        raise ToolFailed(f"{argv[0]} did not finish within {seconds:g} seconds and was stopped.")
    finally:
        await process.terminate(grace=0)
        process.release()


async def _start(around: Surroundings, argv: Sequence[str], *, has_input: bool = False) -> Process:
    return await around.isolation.start(argv, cwd=around.cwd, env=around.env, stdin=has_input)


async def _give(writer: ByteWriter, data: bytes) -> None:
    try:
        await writer.write(data)
    except BrokenPipeError:
        pass
    finally:
        writer.close()


class _Kept:
    def __init__(self, most: int) -> None:
        self.data = bytearray()
        self.is_cut = False
        self._most = most

    async def take(self, reader: ByteReader) -> None:
        while data := await reader.read():
            self.data += data[: self._most - len(self.data)]
            self.is_cut = self.is_cut or len(self.data) == self._most
