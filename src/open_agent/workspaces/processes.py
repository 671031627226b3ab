"""The process port: the only way in which anything in the product starts a process.

Tools run commands through it; MCP servers and OpenCode will. `supervised.py` implements it. The
port knows owners, so that a run's processes can be ended with the run, but not what runs are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, RunId
from open_agent.events.model.tool import BackgroundProcess

TERM_GRACE = 2.0
"""Seconds that processes have to end by themselves before they are killed."""


class ProcessLost(Unavailable):
    """What watched over the process is gone, and the process with it (`process.lost`)."""

    def __init__(self, what: str) -> None:
        super().__init__(
            "process.lost",
            f"{what} Its processes are being ended; what it did before is not known."
            " Look at the state of things, then try again.",
        )


@dataclass(frozen=True, slots=True)
class ProcessOwner:
    """To whom a process belongs. One without a run belongs to the server."""

    mission_id: MissionId | None = None
    run_id: RunId | None = None


SERVER = ProcessOwner()


class ByteReader(Protocol):
    """The end of a pipe that a process writes to."""

    async def read(self) -> bytes:
        """The next bytes, as they come; empty at the end. One reader at a time."""
        ...


class ByteWriter(Protocol):
    """The end of a pipe that a process reads from."""

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        ...

    def close(self) -> None:
        """Tell the reader that this was all."""
        ...


class Process(Protocol):
    """A program and everything that it started.

    Whoever starts one sees to it that it ends, with `terminate` or by leaving it to its owner's
    end; one that is forgotten ends with its run.
    """

    @property
    def pid(self) -> int:
        """Of the program itself."""
        ...

    @property
    def owner(self) -> ProcessOwner:
        """To whom it belongs."""
        ...

    @property
    def stdin(self) -> ByteWriter | None:
        """Only if it was asked for; otherwise its input is empty."""
        ...

    @property
    def stdout(self) -> ByteReader:
        """What it writes."""
        ...

    @property
    def stderr(self) -> ByteReader:
        """What it complains."""
        ...

    @property
    def exit_code(self) -> int | None:
        """Of the program itself, once it has ended; a signal is its negative number."""
        ...

    @property
    def is_gone(self) -> bool:
        """The program and everything that it started have ended."""
        ...

    async def wait(self) -> int:
        """The program's exit code. What it started may still run.

        Raises:
            ProcessLost: It cannot be known.
        """
        ...

    async def wait_gone(self) -> None:
        """Return when the program and everything that it started have ended."""
        ...

    async def background(self) -> list[BackgroundProcess]:
        """What of it is running now, the program included; at most 100."""
        ...

    def keep(self) -> None:
        """Let it outlive its run. It still ends with its mission and with the server."""
        ...

    def release(self) -> None:
        """Read no more. From here on output is thrown away, so that writing never blocks it."""
        ...

    async def terminate(self, grace: float = TERM_GRACE) -> None:
        """End the program and everything it started: TERM, then KILL after `grace` seconds.

        Returns when all of it is gone, or when what is left cannot be ended (another user's).
        """
        ...


@dataclass(frozen=True, slots=True)
class KeptTree:
    """Processes that outlive the run that started them."""

    owner: ProcessOwner
    processes: tuple[BackgroundProcess, ...]


class ProcessPort(Protocol):
    """Starts processes, and knows which belong to whom."""

    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        owner: ProcessOwner = SERVER,
        stdin: bool = False,
    ) -> Process:
        """Start a program in a session of its own, with exactly this environment.

        `argv[0]` without a slash is looked up in the `PATH` of `env`. Cancelled while it starts,
        it does not run, or is ended.

        Raises:
            OSError: It could not be started: not found, not executable, no such `cwd`.
            ProcessLost: The supervisor could not start it.
        """
        ...

    async def end_run(self, run_id: RunId) -> None:
        """End every process of the run that is not kept."""
        ...

    async def end_mission(self, mission_id: MissionId) -> None:
        """End every process of the mission, kept ones too."""
        ...

    async def list_kept(self, mission_id: MissionId | None = None) -> list[KeptTree]:
        """What is kept and still runs; of one mission, or of all."""
        ...

    async def end_kept(self, mission_id: MissionId, pid: int) -> bool:
        """End the mission's kept tree that has the process `pid`; whether there was one."""
        ...

    async def close(self) -> None:
        """End everything that was started here."""
        ...
