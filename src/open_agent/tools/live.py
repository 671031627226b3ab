"""Output for watchers while a command runs: pieces together, and never more than can be read."""

import codecs
from collections.abc import Callable
from typing import NoReturn

import anyio

from open_agent.tools.plain_text import from_program

INTERVAL = 0.05
SHOWN_PER_INTERVAL = 16 * 1024
"""Bytes; of what comes faster only the newest is shown."""


class LiveOutput:
    """Hands on what is written, some times a second."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._pending = bytearray()
        self._has_skipped = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._pending += data[-SHOWN_PER_INTERVAL:]
        if len(self._pending) > SHOWN_PER_INTERVAL:
            del self._pending[:-SHOWN_PER_INTERVAL]
            self._has_skipped = True

    async def run(self) -> NoReturn:
        """Hand on for as long as the command runs; the caller cancels it."""
        while True:
            await anyio.sleep(INTERVAL)
            self.flush()

    def flush(self) -> None:
        """Hand on what has come since the last time."""
        if not self._pending:
            return
        text = self._decoder.decode(bytes(self._pending))
        self._pending.clear()
        if self._has_skipped:
            text = f"\n[…]\n{text}"
            self._has_skipped = False
        if shown := from_program(text):
            self._emit(shown)
