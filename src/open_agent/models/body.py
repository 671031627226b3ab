"""The body of a reply: a stream of events, or one JSON object from endpoints that do not stream.

Told apart by the first byte, because content types lie.
"""

import json
from typing import Any

import pydantic_core

from open_agent.models.assembly import ReplyBuilder
from open_agent.models.failures import broken_stream, error_in, from_error, not_a_stream
from open_agent.models.reply import ModelError
from open_agent.models.sse import OversizedEvent, SseParser
from open_agent.models.wire import as_list, as_object

_MAX_EVENT_BYTES = 32 * 1024 * 1024
"""All arguments of a reply in one event, every character of them escaped."""
_MAX_BODY_BYTES = 128 * 1024 * 1024
_HEAD_BYTES = 2048
_HALF = b"\\ud"
"""How the escape of half a character begins, in lower case."""


class BodyReader:
    """Feeds on the bytes of a body and fills a `ReplyBuilder`."""

    def __init__(self, builder: ReplyBuilder) -> None:
        self._builder = builder
        self._sse = SseParser(_MAX_EVENT_BYTES)
        self._head = b""
        self._whole: list[bytes] | None = None
        self._is_known = False
        self._has_events = False
        self._read_bytes = 0
        self.is_done = False
        """The end mark came, or a bound is reached; the rest of the body does not matter."""

    def feed(self, piece: bytes) -> bool:
        """Take in a piece; whether it carried anything of the reply.

        Raises:
            ModelError: The provider failed, or this is no reply.
        """
        self._read_bytes += len(piece)
        if self._read_bytes > _MAX_BODY_BYTES:
            raise broken_stream("it is absurdly long")
        if not self._is_known and not self._learn(piece):
            return False
        if self._whole is not None:
            self._whole.append(piece)
            return True
        try:
            events = self._sse.feed(piece)
        except OversizedEvent:
            raise broken_stream("one event of it is absurdly long") from None
        return self._take(events)

    def finish(self) -> None:
        """The body has ended.

        Raises:
            ModelError: The reply is not complete.
        """
        if self._whole is not None:
            self._take_whole(b"".join(self._whole))
            return
        is_finished = bool(self._builder.finish_reason)
        try:
            self._take(self._sse.flush(), is_last=True)
        except ModelError:
            if not is_finished:  # half a usage report does not spoil a reply
                raise
        if self.is_done or self._builder.finish_reason:
            return
        if not self._has_events and self._head.strip():
            raise not_a_stream(self._head)
        raise broken_stream("the stream ended in the middle" if self._has_events else "it is empty")

    def _learn(self, piece: bytes) -> bool:
        """Find out what kind of body this is; false while only blanks have come."""
        self._head = (self._head + piece)[:_HEAD_BYTES]
        first = self._head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if not first:
            return False
        self._is_known = True
        if first in b"{[":
            self._whole = []
        elif first == b"<":
            raise not_a_stream(self._head)
        return True

    def _take(self, events: list[bytes], *, is_last: bool = False) -> bool:
        builder = self._builder
        has_life = False
        for data in events:
            if data == b"[DONE]":
                self.is_done = True
                break
            chunk = _parse_chunk(data, is_last=is_last)
            if chunk is None:
                continue
            self._has_events = True
            has_life = builder.add(chunk) or has_life
            if builder.is_full:
                self.is_done = True
                break
        return has_life

    def _take_whole(self, body: bytes) -> None:
        try:
            reply: Any = _read(body)
        except ValueError:
            raise broken_stream("its JSON is cut or malformed") from None
        if not as_list(as_object(reply).get("choices")):
            error = error_in(reply)
            raise from_error(error) if error else not_a_stream(self._head)
        self._builder.add(reply, is_whole=True)


def _parse_chunk(data: bytes, *, is_last: bool) -> Any:
    """A chunk's JSON, or nothing for what some proxies send between chunks."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        return _read(data)
    except ValueError:
        what = "the stream ended in the middle" if is_last else "a chunk is malformed"
        raise broken_stream(what) from None


def _read(data: bytes) -> Any:
    """JSON, also where it escapes half a character, as servers do that cut text in UTF-16."""
    try:
        return pydantic_core.from_json(data)
    except ValueError:
        if _HALF not in data.lower():
            raise
        text = json.dumps(json.loads(data), ensure_ascii=False)
        return pydantic_core.from_json(text.encode("utf-8", "replace"))
