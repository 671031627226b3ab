"""Server-sent events on the wire: cursors, the frames kept for many readers, and the response.

Knows nothing of missions; `streams.py` says what is sent.
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

import anyio
from fastapi import Response
from starlette.types import Receive, Scope, Send

from open_agent.events.log import EncodedRecord
from open_agent.server.frames import Frames

CACHED_FRAMES = 512
LARGEST_CACHED = 64 * 1024

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
        self._encode = encode
        self._frames: dict[tuple[str, int], Frames] = {}

    def frames(self, record: EncodedRecord) -> Frames:
        """The frames of a record."""
        key = (record.mission_id, record.seq)
        found = self._frames.get(key)
        if found is None:
            found = self._encode(record)
            if len(record.json) <= LARGEST_CACHED:
                if len(self._frames) >= CACHED_FRAMES:
                    del self._frames[next(iter(self._frames))]
                self._frames[key] = found
        return found


class EventStream(Response):
    """Sends chunks as they come, until there are no more or the reader goes."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        del scope
        async with anyio.create_task_group() as group:

            async def end_with_reader() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(end_with_reader)
            await self._send_all(send)
            group.cancel_scope.cancel()

    async def _send_all(self, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
