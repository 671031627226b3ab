"""One call of the git program: what it says, in bounded memory, and nothing left running."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.events.model.base import BlobRef
from open_agent.tools.clipping import SHOWN
from open_agent.tools.definition import ToolContext, ToolFailed
from open_agent.tools.plain_text import from_file
from open_agent.tools.spill import Spill
from open_agent.workspaces.processes import Process

KEPT = 256 * 1024
"""Bytes of an answer that are kept in memory; what is shown has its characters in there."""
COMPLAINT = 4_000
"""Bytes of an error message that are shown."""
BAD_USAGE = 129
DRAIN = 1.0
"""Seconds in which output may still come after git has ended."""

Take = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class GitAnswer:
    """What git said.

    Attributes:
        head: The beginning of its output.
        size: Bytes of all of it.
        spilled: All of it, if that was asked for and is more than is shown.
    """

    exit_code: int
    head: bytes
    size: int
    complaint: str
    spilled: BlobRef | None = None

    @property
    def is_cut(self) -> bool:
        """There was more than `head` holds."""
        return self.size > len(self.head)

    def checked(self) -> "GitAnswer":
        """Itself.

        Raises:
            ToolFailed: The command did not succeed.
        """
        if self.exit_code == 0:
            return self
        if self.exit_code == BAD_USAGE:  # a page about its use follows
            raise ToolFailed(f"Git error: {self.complaint.partition(chr(10))[0]}")
        if self.complaint:
            raise ToolFailed(f"Git error: {self.complaint}")
        said = from_file(self.head[:COMPLAINT].decode("utf-8", "replace")).strip()
        raise ToolFailed(f"Git command failed: {said or f'exit code {self.exit_code}'}")


async def call_git(
    ctx: ToolContext,
    folder: Path,
    arguments: Sequence[str],
    env: Mapping[str, str],
    *,
    spill: Spill | None = None,
    take: Take | None = None,
) -> GitAnswer:
    """Run git in a folder; whatever comes of it is the answer.

    Args:
        ctx: Of the tool's call.
        folder: Where to run it.
        arguments: After `git`.
        env: Added to the workspace's environment.
        spill: Takes all of the output.
        take: Takes all of the output too, as it comes.

    Raises:
        ToolFailed: It could not be started there.
    """
    program = ctx.workspace.program("git")
    try:
        process = await ctx.workspace.start(
            [program, "--no-pager", *arguments], owner=ctx.owner, cwd=folder, env=env
        )
    except FileNotFoundError as error:
        if error.filename == program:
            raise ToolFailed("git is not installed on this machine.") from None
        raise ToolFailed(f"The directory {folder} does not exist.") from None
    except NotADirectoryError:
        raise ToolFailed(f"{folder} is not a directory.") from None
    reading = _Reading(process, spill, take)
    try:
        return await reading.follow()
    finally:
        with anyio.CancelScope(shield=True):
            if not process.is_gone:
                await process.terminate()
            if spill:
                await spill.discard()
        process.release()


class _Reading:
    """Git at work, and the beginning of what it says."""

    def __init__(self, process: Process, spill: Spill | None, take: Take | None) -> None:
        self._process = process
        self._spill = spill
        self._take = take
        self._head = bytearray()
        self._size = 0
        self._complaint = bytearray()

    async def follow(self) -> GitAnswer:
        async with anyio.create_task_group() as group:
            group.start_soon(self._wait, group.cancel_scope)
            group.start_soon(self._read_output)
            group.start_soon(self._read_complaint)
        spilled = None
        if self._spill and self._size > SHOWN:
            spilled = await self._spill.finish()
        complaint = from_file(self._complaint.decode("utf-8", "replace")).strip()
        exit_code = await self._process.wait()
        return GitAnswer(exit_code, bytes(self._head), self._size, complaint, spilled)

    async def _wait(self, reading: anyio.CancelScope) -> None:
        await self._process.wait()
        reading.deadline = anyio.current_time() + DRAIN

    async def _read_output(self) -> None:
        while data := await self._process.stdout.read():
            self._head += data[: KEPT - len(self._head)]
            self._size += len(data)
            if self._take:
                self._take(data)
            if self._spill:
                await self._spill.add(data)

    async def _read_complaint(self) -> None:
        while data := await self._process.stderr.read():
            self._complaint += data[: COMPLAINT - len(self._complaint)]
