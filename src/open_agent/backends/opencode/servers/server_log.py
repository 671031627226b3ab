"""What a server of ours says, kept in a file that does not grow without end."""

import asyncio
import re
from pathlib import Path

from anyio import to_thread

from open_agent.workspaces.processes import ByteReader

MAX_BYTES = 4 * 1024 * 1024
TAIL_BYTES = 4_000


class ServerLog:
    """The log of one server.

    Args:
        path: Its file, in a folder that exists by the time something is said.
        max_bytes: Of one file; the one before it is kept beside it, with `.1` behind its name.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._tail = b""
        self._more = asyncio.Event()

    @property
    def last_words(self) -> str:
        """The end of what it said since it was started, on one line; for why it died."""
        return " ".join(self._tail.decode("utf-8", "replace").split())[-400:]

    def begin(self) -> None:
        """A new start: what was said before does not explain what happens next."""
        self._tail = b""

    async def said(self, what: re.Pattern[bytes]) -> None:
        """Return when it has said this."""
        while not what.search(self._tail):
            self._more.clear()
            await self._more.wait()

    async def follow(self, pipe: ByteReader) -> None:
        """Keep what comes out of a pipe, to its end."""
        while data := await pipe.read():
            self._tail = (self._tail + data)[-TAIL_BYTES:]
            self._more.set()
            await to_thread.run_sync(self._append, data)

    def _append(self, data: bytes) -> None:
        try:
            if self.path.exists() and self.path.stat().st_size + len(data) > self._max_bytes:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            with self.path.open("ab") as file:
                file.write(data[-self._max_bytes :])
        except OSError:
            return  # a full disk does not end the server
