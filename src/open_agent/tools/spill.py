"""The whole of a long output, kept in a blob that the model can read."""

import anyio

from open_agent.core.errors import Unavailable
from open_agent.events.blobs import BlobWriter
from open_agent.events.model.base import BlobRef
from open_agent.tools.definition import ToolContext

CAP = 64 * 1024 * 1024
BEGINS_AT = 256 * 1024
"""Shorter outputs stay in memory until it is known whether they are needed."""
LONGEST_LINE = 64 * 1024
"""A line is kept together up to here."""


class Spill:
    """What a program wrote, in the order in which it came; lines of different streams stay whole."""

    def __init__(self, ctx: ToolContext) -> None:
        self._ctx = ctx
        self._waiting: list[bytes] = []
        self._begun: dict[str, bytes] = {}
        self._size = 0
        self._writer: BlobWriter | None = None
        self._writing = anyio.Lock()
        self._is_closed = False

    async def add(self, data: bytes, stream: str = "stdout") -> None:
        """Keep what came, as far as it fits."""
        if self._is_closed or not data:
            return
        self._size += len(data)
        data = self._begun.pop(stream, b"") + data
        end = data.rfind(b"\n") + 1
        if len(data) - end < LONGEST_LINE:
            self._begun[stream] = data[end:]
            data = data[:end]
        self._waiting.append(data)
        if self._size > BEGINS_AT:
            await self._write()

    async def finish(self) -> BlobRef | None:
        """The blob, if there was anything and the disk has taken it."""
        if self._writer is None and self._is_closed:
            return None
        self._is_closed = True
        self._waiting += self._begun.values()
        await self._write()
        if self._writer is None:
            return None
        try:
            return await self._writer.finish()
        except Unavailable:
            return None

    async def discard(self) -> None:
        """Leave nothing of what was not finished."""
        self._is_closed = True
        self._waiting.clear()
        self._begun.clear()
        if self._writer:
            await self._writer.discard()

    async def _write(self) -> None:
        async with self._writing:
            waiting, self._waiting = self._waiting, []
            if self._writer is None:
                self._writer = self._ctx.blobs.writer(self._ctx.mission_id, cap=CAP)
            try:
                for data in waiting:
                    await self._writer.write(data)
            except Unavailable:
                # The command matters more than its transcript: it goes on without one.
                await self._writer.discard()
                self._writer = None
                self._is_closed = True
            # From here on nothing would be kept; not even copied, at a gigabyte per second.
            self._is_closed = self._is_closed or self._size > CAP
