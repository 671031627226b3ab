"""What happens in OpenCode's sessions, live: one stream for all of them, shared out by session.

Above: the run loop. OpenCode replays nothing, so whoever listens is told of every gap and reads
the messages again. A listener that does not keep up costs bounded memory: text that streams is
joined, then dropped (the part's last update has all of it); where even the rest is too much, all
of it becomes a gap. The stream is open while somebody listens.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

import anyio
import httpx2
import pydantic_core
import structlog

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused, OpenCodeUnreachable
from open_agent.backends.opencode.protocol.parts import Json
from open_agent.backends.opencode.protocol.wire import FeedEvent, session_of
from open_agent.core.errors import OpenAgentError
from open_agent.models.sse import OversizedEvent, SseParser

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
MAX_EVENT_BYTES = 64 * 1024 * 1024

_DELTA = "message.part.delta"
_LONGEST_JOINED = 16 * 1024
_OPENING = frozenset({"session.created", "session.updated"})
_NOISE = frozenset({"sync", "server.heartbeat", "server.connected"})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedLimits:
    """How long a feed waits, in seconds, and how much it keeps for a listener."""

    silence: float = 28.0
    """Without a byte a stream is dead: a live one has a heartbeat every ten."""
    opening: float = 30.0
    """How long a listener waits for the stream when it begins."""
    give_up: float = 120.0
    """How long a lost stream may stay away before listeners are told that there is none."""
    events: int = 4_000
    """Waiting for a listener; beyond it all of them are a gap."""
    characters: int = 256 * 1024
    """Of streamed text waiting for a listener; what comes beyond it is dropped."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events were lost before this: read the messages, the plan and what is asked again."""

    reason: str


class Listener:
    """What happens in a session and its subagents' sessions, in order; see `Feed.listen`.

    Iterating ends never by itself. It raises `OpenCodeUnreachable` when the stream was lost and
    could not be had again for so long that the feed gave it up.
    """

    def __init__(self, session_id: str, limits: FeedLimits) -> None:
        self.session_id = session_id
        self._limits = limits
        self.session_ids = {session_id}
        """The session's own id, and those of all sessions below it that are known."""
        self._waiting: deque[FeedEvent | Gap] = deque()
        self._text = 0
        self._came = asyncio.Event()
        self.failure: OpenAgentError | None = None
        """Why nothing more will come."""

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> FeedEvent | Gap:
        while not self._waiting:
            if self.failure is not None:
                raise self.failure
            self._came.clear()
            await self._came.wait()
        item = self._waiting.popleft()
        if isinstance(item, FeedEvent) and item.type == _DELTA:
            self._text -= len(item.properties["delta"])
        return item

    def offer(self, event: FeedEvent) -> None:
        """Take an event in."""
        if event.type == _DELTA:
            if not self._take_text(event):
                return
        elif len(self._waiting) >= self._limits.events:
            self.miss("too much came while nobody looked")
            return
        else:
            self._waiting.append(event)
        self._came.set()

    def miss(self, reason: str) -> None:
        """Events are lost: what waits is worth no more than what is read again."""
        self._waiting.clear()
        self._text = 0
        self._waiting.append(Gap(reason))
        self._came.set()

    def fail(self, failure: OpenAgentError) -> None:
        """Nothing more will come."""
        self.failure = failure
        self._came.set()

    def _take_text(self, event: FeedEvent) -> bool:
        delta = event.properties.get("delta")
        if not isinstance(delta, str) or self._text + len(delta) > self._limits.characters:
            return False
        self._text += len(delta)
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, FeedEvent) and _continues(last, event):
            joined = {**event.properties, "delta": last.properties["delta"] + delta}
            self._waiting[-1] = FeedEvent(_DELTA, joined, event.session_id)
        else:
            self._waiting.append(event)
        return True


class Feed:
    """The live stream of one OpenCode server.

    Args:
        connect: Gives the client; that of our own server starts it.
        limits: How long it waits, and how much it keeps.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[OpenCodeClient]],
        limits: FeedLimits | None = None,
    ) -> None:
        self._connect = connect
        self._limits = limits or FeedLimits()
        self._listeners: dict[str, list[Listener]] = {}
        self._roots: dict[str, str] = {}
        """By the id of a session below it, the session that is listened to."""
        self._task: asyncio.Task[None] | None = None
        self._is_open = False
        self._settled = asyncio.Event()
        """Set while the stream is open, and when there will be none."""

    @asynccontextmanager
    async def listen(self, session_id: str) -> AsyncGenerator[Listener]:
        """Listen to a session and all sessions below it; nothing is missed from here on.

        Listen before the prompt: nothing of before is told.

        Raises:
            OpenAgentError: There is no stream, with the reason; see `OpenCodeServer.client`.
        """
        listener = Listener(session_id, self._limits)
        self._listeners.setdefault(session_id, []).append(listener)
        if self._task is None or self._task.done():
            self._settled.clear()
            self._task = asyncio.create_task(self._follow())
            self._task.add_done_callback(self._ended)
        try:
            await self._opened(listener)
            await self._adopt(await self._connect(), session_id)
            yield listener
        finally:
            self._leave(listener)

    async def close(self) -> None:
        """End the stream."""
        if (task := self._stop()) is not None:
            await asyncio.wait({task})

    def _stop(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        self._is_open = False
        self._settled.clear()
        if task is not None:
            task.cancel()
        return task

    async def _opened(self, listener: Listener) -> None:
        with anyio.move_on_after(self._limits.opening):
            await self._settled.wait()
        if not self._is_open:
            raise listener.failure or OpenCodeUnreachable(
                "OpenCode's event stream did not open. Look at OpenCode's log, or start it again."
            )

    def _leave(self, listener: Listener) -> None:
        others = self._listeners[listener.session_id]
        others.remove(listener)
        if others:
            return
        del self._listeners[listener.session_id]
        for child in [id_ for id_, root in self._roots.items() if root == listener.session_id]:
            del self._roots[child]
        if not self._listeners:
            self._stop()

    async def _follow(self) -> None:
        """Keep the stream open. One that never opened is not waited for."""
        pause, lost_at = FIRST_PAUSE, None
        while True:
            failure: OpenAgentError | None = None
            try:
                client = await self._connect()
                async with client.events(self._limits.silence) as response:
                    if lost_at is not None:
                        await self._resume(client)
                    self._is_open = True
                    self._settled.set()
                    pause, lost_at = FIRST_PAUSE, None
                    await self._read(response)
                reason = "it ended"
            except OpenAgentError as error:
                failure, reason = error, error.message
            except (httpx2.HTTPError, OversizedEvent, ValueError) as error:
                reason = str(error) or type(error).__name__
            now = anyio.current_time()
            if self._is_open:
                self._is_open = False
                self._settled.clear()
                lost_at = now
                _log.warning("opencode.stream_lost", reason=reason)
            elif lost_at is None or now - lost_at > self._limits.give_up:
                self._fail(failure or OpenCodeUnreachable(_without_stream(reason)))
                return
            await anyio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _resume(self, client: OpenCodeClient) -> None:
        """Tell everybody of the gap, once it is known which sessions are theirs."""
        for session_id in list(self._listeners):
            with suppress(OpenCodeRefused):  # it is gone, as whoever reads its messages will see
                await self._adopt(client, session_id)
        for listener in self._everybody():
            listener.miss("the event stream was lost and came back")

    async def _adopt(self, client: OpenCodeClient, root: str) -> None:
        """Find the sessions below one, which may have been opened before anybody listened."""
        ahead = [root]
        while ahead:
            for child in await client.children(ahead.pop()):
                if self._roots.get(child.id) is None:
                    self._own(child.id, root)
                    ahead.append(child.id)

    def _own(self, child: str, root: str) -> None:
        self._roots[child] = root
        for listener in self._listeners.get(root, ()):
            listener.session_ids.add(child)

    async def _read(self, response: httpx2.Response) -> None:
        parser = SseParser(MAX_EVENT_BYTES)
        async for piece in response.aiter_bytes():
            for data in parser.feed(piece):
                self._take(data)

    def _take(self, data: bytes) -> None:
        said = pydantic_core.from_json(data)
        payload = cast("Json", said).get("payload") if isinstance(said, dict) else None
        event = cast("Json", payload) if isinstance(payload, dict) else {}
        kind, properties = event.get("type"), event.get("properties")
        if kind in _NOISE or not isinstance(kind, str) or not isinstance(properties, dict):
            return
        about = cast("Json", properties)
        session_id = session_of(about)
        if kind in _OPENING:
            self._see_child(session_id, about)
        root = self._roots.get(session_id, session_id)
        if root in self._listeners:
            seen = FeedEvent(kind, about, session_id)
            for listener in self._listeners[root]:
                listener.offer(seen)

    def _see_child(self, session_id: str, properties: Json) -> None:
        info = properties.get("info")
        parent = cast("Json", info).get("parentID") if isinstance(info, dict) else None
        if not isinstance(parent, str) or session_id in self._roots:
            return
        root = self._roots.get(parent, parent)
        if root in self._listeners and root != session_id:
            self._own(session_id, root)

    def _everybody(self) -> list[Listener]:
        return [listener for listeners in self._listeners.values() for listener in listeners]

    def _fail(self, failure: OpenAgentError) -> None:
        for listener in self._everybody():
            listener.fail(failure)
        self._settled.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The reader is gone; if by a fault of ours, nobody may wait for it."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("opencode.feed_failed", exc_info=error)
            self._fail(OpenCodeUnreachable(_without_stream(type(error).__name__)))


def _without_stream(reason: str) -> str:
    return (
        f"OpenCode's event stream cannot be had ({reason}). Look at OpenCode's log, or start it"
        " again."
    )


def _continues(last: FeedEvent, event: FeedEvent) -> bool:
    if last.type != _DELTA or len(last.properties["delta"]) > _LONGEST_JOINED:
        return False
    names = ("messageID", "partID", "field")
    return all(last.properties.get(name) == event.properties.get(name) for name in names)
