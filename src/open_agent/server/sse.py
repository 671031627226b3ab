"""Server-sent events on the wire: cursors, the frames kept for many readers, and the response.

Knows nothing of missions; `streams.py` says what is sent.
"""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import anyio
from fastapi import Response
from starlette.types import Receive, Scope, Send

from open_agent.events.log import EncodedRecord
from open_agent.server.auth import WATCH
from open_agent.server.frames import Frames

CACHED_FRAMES = 512
LARGEST_CACHED = 64 * 1024

SIGNED_OUT = b": signed out\n\n"
"""The last word of a stream whose reader may not read on."""
GOODBYE_SECONDS = 1.0

_CURSOR = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,6}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last frame a reader has seen: the `k`-th of record `seq`; without `k`, all of them."""

    seq: int
    k: int | None = None


def read_cursor(text: str | None) -> Cursor | Literal["unreadable"] | None:
    """A cursor as readers write it: `12.1` or `12`; none when they have none."""
    if text is None or not text.strip():
        return None
    match = _CURSOR.fullmatch(text.strip())
    if match is None:
        return "unreadable"
    seq, k = match.groups()
    return Cursor(int(seq), None if k is None else int(k))


class FrameCache:
    """The newest frames that were sent, so that a thousand readers of one event encode it once."""

    def __init__(self, encode: Callable[[EncodedRecord], Frames]) -> None:
        self.encode = encode
        """Without keeping anything: for those who read what nobody else will read soon."""
        self._frames: dict[tuple[str, int], Frames] = {}

    def frames(self, record: EncodedRecord) -> Frames:
        """The frames of a record."""
        key = (record.mission_id, record.seq)
        found = self._frames.get(key)
        if found is None:
            found = self.encode(record)
            if len(record.json) <= LARGEST_CACHED:
                if len(self._frames) >= CACHED_FRAMES:
                    del self._frames[next(iter(self._frames))]
                self._frames[key] = found
        return found


Push = Callable[[bytes], Awaitable[None]]
"""Sends bytes to a reader; returns when there is room for more."""


class EventStream(Response):
    """Lets `write` push events until it has no more, the reader goes, or may not read on."""

    media_type = "text/event-stream"

    def __init__(self, write: Callable[[Push], Awaitable[None]]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        watch = scope.get(WATCH, _unwatched)
        is_over = False
        async with anyio.create_task_group() as group:

            def end() -> None:
                nonlocal is_over
                is_over = True
                group.cancel_scope.cancel()

            async def push(chunk: bytes) -> None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})

            async def write() -> None:
                await self._write(push)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                group.cancel_scope.cancel()

            head = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **head})
            # Here at the bottom of all layers only the reader's leaving is waited for; what is
            # woken for every event has a task of its own, with none of them above it.
            with watch(end):
                group.start_soon(write)
                while (await receive())["type"] != "http.disconnect":
                    pass
            group.cancel_scope.cancel()
        if is_over:
            # One that reads nothing is not waited for: its connection ends soon enough.
            with anyio.move_on_after(GOODBYE_SECONDS):
                await send({"type": "http.response.body", "body": SIGNED_OUT, "more_body": False})


def _unwatched(on_end: Callable[[], None]) -> AbstractContextManager[None]:
    del on_end
    return nullcontext()
