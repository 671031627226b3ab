"""A scripted model without a wire: a request's bytes in, a response's bytes out, in time.

`server.py` puts it on a port, `transport.py` under a client in the same process.
"""

import threading
import zlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import anyio
import pydantic_core

from open_agent.scripted import faults, wire
from open_agent.scripted.checks import read_request
from open_agent.scripted.faults import Fault
from open_agent.scripted.script import Asked, Json, Script, Turn

_MAX_REMEMBERED = 10_000
_COMMENT = b": OPENROUTER PROCESSING\n\n"


class ConnectionCut(Exception):
    """The script wants the connection closed here, without an end."""


@dataclass(slots=True)
class Answer:
    """A response; its body takes its time."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]
    """Raises `ConnectionCut` where the connection is to be closed."""
    is_mute: bool = False
    """Not even the status is ever sent."""


@dataclass(slots=True)
class Seen:
    """A request that was made, and what became of it."""

    body: bytes
    asked: Asked | None
    """Absent when the request could not be read."""
    violations: list[str]
    headers: dict[str, str]
    peer: str
    """The client's end of the connection; the same for two requests on one connection."""
    has_ended: threading.Event = field(default_factory=threading.Event)
    """The response is over, whoever ended it."""
    was_left: bool = False
    """The client went away before the end."""


class ScriptedModel:
    """Plays a script, checks every request, and remembers what it was asked.

    Args:
        script: What to say.
        models: The names that the list of models has.
        remember: How many requests to keep for tests to read; 0 keeps none.
    """

    def __init__(
        self, script: Script, *, models: Sequence[str] = ("scripted",), remember: int = 1_000
    ) -> None:
        self.script = script
        self.models = tuple(models)
        self.seen: deque[Seen] = deque(maxlen=remember)
        self.violations: list[str] = []
        """Every rule that any request broke; tests end by finding it empty."""
        self._attempts: OrderedDict[bytes, int] = OrderedDict()

    def answer(
        self, body: bytes, headers: dict[str, str] | None = None, peer: str = ""
    ) -> tuple[Answer, Seen]:
        """What to send back for a request."""
        request, violations = read_request(body)
        asked = None if request is None else Asked(request, self._count_attempt(request))
        seen = Seen(body, asked, violations, headers or {}, peer)
        self.seen.append(seen)
        if asked is None or violations:
            self.violations += violations
            return _plain(400, wire.error("; ".join(violations), "invalid_request")), seen
        turn = self.script(asked)
        is_spared = turn.fault_attempts is not None and asked.attempt > turn.fault_attempts
        return _play(turn, asked, None if is_spared else turn.fault), seen

    def list_models(self) -> bytes:
        """The body of `GET /models`."""
        return pydantic_core.to_json(
            {
                "object": "list",
                "data": [
                    {"id": name, "object": "model", "created": 0, "owned_by": "scripted"}
                    for name in self.models
                ],
            }
        )

    def _count_attempt(self, request: Json) -> int:
        key = sha256(pydantic_core.to_json([request["model"], request["messages"]])).digest()
        attempt = self._attempts.pop(key, 0) + 1
        self._attempts[key] = attempt
        if len(self._attempts) > _MAX_REMEMBERED:
            self._attempts.popitem(last=False)
        return attempt


def _play(turn: Turn, asked: Asked, fault: Fault | None) -> Answer:
    match fault:
        case faults.Refusal():
            headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
            body = wire.error(fault.message, fault.code or fault.status)
            return _plain(fault.status, body, headers)
        case faults.ErrorBody():
            return _plain(200, wire.error(fault.message, fault.code))
        case faults.WebPage():
            page = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head></html>"
            return _plain(fault.status, page, {"content-type": fault.content_type})
        case faults.Empty():
            return _plain(200, b"", {"content-type": "text/event-stream"})
        case _:
            pass
    if asked.body.get("stream") is not True or not turn.style.is_streamed:
        return _plain(200, wire.whole(turn, asked))
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    if turn.style.is_gzip:
        headers["content-encoding"] = "gzip"
    is_mute = isinstance(fault, faults.Silence) and fault.after is None
    return Answer(200, headers, _in_pieces(_stream(turn, asked, fault), turn, fault), is_mute)


def _plain(status: int, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    async def pieces() -> AsyncIterator[bytes]:
        yield body

    return Answer(status, {"content-type": "application/json"} | (headers or {}), pieces())


async def _stream(turn: Turn, asked: Asked, fault: Fault | None) -> AsyncIterator[bytes]:
    """The events of a reply, with the fault where it belongs."""
    for place, chunk in enumerate(wire.chunks(turn, asked)):
        async for piece in _before(place, fault, turn):
            yield piece
        if turn.style.delay:
            await anyio.sleep(turn.style.delay)
        event = wire.event(chunk, turn)
        if isinstance(fault, faults.Cut) and fault.after == place:
            yield event[: fault.part]
            if fault.is_clean:
                return
            raise ConnectionCut
        yield event
        if isinstance(fault, faults.Repeated) and fault.chunk == place:
            yield event
    if turn.style.has_end:
        yield wire.event(b"[DONE]", turn)


async def _before(place: int, fault: Fault | None, turn: Turn) -> AsyncIterator[bytes]:
    """What the fault puts before a chunk."""
    match fault:
        case faults.Silence(after=after) if after == place:
            await anyio.sleep_forever()
        case faults.KeepAlives(after=after) if after == place:
            async for piece in _keep_alive(fault):
                yield piece
        case faults.ErrorChunk(after=after) if after == place:
            yield wire.event(wire.error(fault.message, fault.code), turn)
        case faults.Malformed(after=after) if after == place:
            yield wire.event(fault.data.encode(), turn)
        case _:
            pass


async def _keep_alive(fault: faults.KeepAlives) -> AsyncIterator[bytes]:
    until = anyio.current_time() + (float("inf") if fault.seconds is None else fault.seconds)
    piece = _COMMENT if fault.data is None else b"data: %b\n\n" % fault.data.encode()
    while anyio.current_time() < until:
        yield piece
        await anyio.sleep(fault.interval)


async def _in_pieces(
    events: AsyncIterator[bytes], turn: Turn, fault: Fault | None
) -> AsyncIterator[bytes]:
    """The same bytes, compressed and cut as the style has it."""
    packer = zlib.compressobj(wbits=31) if turn.style.is_gzip else None
    interval = fault.interval if isinstance(fault, faults.Trickle) else None
    size = 1 if interval is not None else turn.style.piece_bytes
    async for event in events:
        data = event
        if packer is not None:
            data = packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)
        for start in range(0, len(data), size or max(len(data), 1)):
            yield data[start : start + size] if size else data
            if interval is not None:
                await anyio.sleep(interval)
    if packer is not None:
        yield packer.flush()
