"""A server's sessions over streamable HTTP, for one caller.

What the SDK keeps between requests is here, for as long as the caller may call. Two callers have
two of these, so that the id of a session is good for nothing to anybody but who opened it. Knows
neither how callers are told apart nor at which address this is.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

MOST_SESSIONS = 64
"""Of one caller; a further one is refused until one of them ends."""
IDLE_SECONDS = 1800.0
"""After so long without a request or an open stream, a session ends."""
LARGEST_BODY = 2 * 1024 * 1024
LAST_WORDS = 2.0
"""Seconds in which requests in hand may still be answered when it is to end in good order."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpSessions:
    """The sessions of one caller. `run` serves until `end` or `cut`."""

    def __init__(self, server: Server[Any]) -> None:
        self._manager = StreamableHTTPSessionManager(
            server,
            max_sessions=MOST_SESSIONS,
            session_idle_timeout=IDLE_SECONDS,
            max_request_body_size=LARGEST_BODY,
        )
        self._is_ending = anyio.Event()
        self._requests: set[anyio.CancelScope] = set()
        self._calls = 0
        self._is_quiet = anyio.Event()
        self._last_used = anyio.current_time()

    @property
    def is_over(self) -> bool:
        """It takes no more requests."""
        return self._is_ending.is_set()

    @property
    def is_used(self) -> bool:
        """Somebody is being answered, or has a stream open."""
        return bool(self._requests)

    @property
    def idle_seconds(self) -> float:
        """Since when nobody has asked for anything."""
        return 0.0 if self._requests else anyio.current_time() - self._last_used

    async def run(self, is_ready: Callable[[], None]) -> None:
        """Serve until it is to end, then end every session with what it still does."""
        async with self._manager.run():
            is_ready()
            await self._is_ending.wait()
            with anyio.move_on_after(LAST_WORDS):
                while self._calls:
                    self._is_quiet = anyio.Event()
                    await self._is_quiet.wait()

    def end(self) -> None:
        """End in good order: what was asked is answered, streams end."""
        self._is_ending.set()

    def cut(self) -> None:
        """End at once: nothing is said any more."""
        self._is_ending.set()
        for scope in self._requests:
            scope.cancel()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer one request; false when it was cut off before anything was said."""
        has_begun = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        # The stream of a session is no call: it lasts as long as the session.
        is_call = scope["method"] != "GET"
        with anyio.CancelScope() as request:
            self._requests.add(request)
            self._calls += is_call
            try:
                await self._manager.handle_request(scope, receive, watched)
            finally:
                self._requests.discard(request)
                self._calls -= is_call
                self._is_quiet.set()
                self._last_used = anyio.current_time()
        return has_begun
