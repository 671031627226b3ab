"""`/mcp`: the server itself as an MCP server, over streamable HTTP.

Whoever calls has been let in like any other client; what is kept of them between two requests is
kept under their credential and ends with it. The SDK is imported at the first request.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import structlog
from anyio import to_thread
from starlette.types import Receive, Scope, Send

from open_agent.core.actor import Actor, Credential
from open_agent.core.ids import UserId
from open_agent.mcp.importing import in_turn
from open_agent.server.auth import ACTOR, WATCH
from open_agent.server.errors import error_response
from open_agent.server.mcp.tools import INSTRUCTIONS, NAME, TOOLS, ServerCall
from open_agent.server.services import Services

if TYPE_CHECKING:  # 700 ms that no server needs whom nobody asks
    from open_agent.mcp.servers.http import HttpSessions
    from open_agent.mcp.servers.offering import Call

PATH = "/mcp"
MOST_CALLERS = 32
"""Credentials under which something is kept; of further ones, the one that is idle longest goes."""
FORGET_SECONDS = 1900.0
"""After so long without a request nothing is left of a caller's sessions."""

log = structlog.get_logger(__name__)

Watch = Callable[[Callable[[], None]], AbstractContextManager[None]]
MakeSessions = Callable[[Services], "HttpSessions"]
"""Makes the sessions of one more caller."""


@dataclass(frozen=True, slots=True)
class _Caller:
    sessions: "HttpSessions"
    serving: asyncio.Task[None]


class McpEndpoint:
    """Answers requests at `/mcp`.

    Args:
        services: What is offered.
        load: Imports what speaks the protocol; called in a thread, at the first request.
    """

    def __init__(self, services: Services, load: "Callable[[], MakeSessions]|None" = None) -> None:
        self._services = services
        self._load = load or _import
        self._callers: dict[Credential | UserId, _Caller] = {}
        self._opening = anyio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whose it is stands in its scope."""
        actor: Actor = scope[ACTOR]
        caller = await self._caller(actor, scope.get(WATCH, _unwatched))
        if caller is None:
            text = "Too many clients use MCP at once, or the server is stopping. Try again later."
            await error_response(503, "mcp.unavailable", text)(scope, receive, send)
        elif not await caller.sessions.answer(scope, receive, send):
            text = "What let this request in has ended. Sign in again."
            await error_response(401, "auth.invalid", text)(scope, receive, send)

    async def _caller(self, actor: Actor, watch: Watch) -> _Caller | None:
        key = actor.credential or actor.user_id
        found = self._callers.get(key)
        if found is not None and not found.sessions.is_over:
            return found
        async with self._opening:
            found = self._callers.get(key)
            if found is None or found.sessions.is_over:
                found = await self._open(key, watch)
            return found

    async def _open(self, key: Credential | UserId, watch: Watch) -> _Caller | None:
        if self._services.missions.is_closed or not self._make_room():
            return None
        # 700 ms, of which other requests see little.
        make_sessions = await to_thread.run_sync(in_turn, self._load)
        sessions = make_sessions(self._services)
        is_ready = asyncio.Event()

        async def serve() -> None:
            closing = asyncio.create_task(self._end_with_server(sessions))
            try:
                with watch(sessions.cut):
                    await sessions.run(is_ready.set)
            except Exception:  # boundary: what fails for one caller is not the others' end
                log.exception("mcp.failed")
            finally:
                sessions.end()
                closing.cancel()
                is_ready.set()
                if (kept := self._callers.get(key)) is not None and kept.sessions is sessions:
                    del self._callers[key]

        caller = _Caller(sessions, asyncio.create_task(serve(), name="mcp caller"))
        try:
            await is_ready.wait()
        except BaseException:
            sessions.end()
            raise
        if sessions.is_over:
            return None
        self._callers[key] = caller
        return caller

    async def _end_with_server(self, sessions: "HttpSessions") -> None:
        await self._services.missions.until_closed()
        sessions.end()

    def _make_room(self) -> bool:
        """Let go of who has not come for long, and of one more if need be; whether there is room."""
        for caller in list(self._callers.values()):
            if caller.sessions.idle_seconds > FORGET_SECONDS:
                caller.sessions.end()
        lasting = [each.sessions for each in self._callers.values() if not each.sessions.is_over]
        if len(lasting) < MOST_CALLERS:
            return True
        idle = max(lasting, key=lambda sessions: sessions.idle_seconds)
        if idle.is_used:
            return False
        idle.end()
        return True


def _import() -> "MakeSessions":
    # 700 ms: the MCP SDK.
    from open_agent.mcp.servers.http import HttpSessions

    # 1 ms, after that.
    from open_agent.mcp.servers.offering import Offer, tool_server

    def make(services: Services) -> HttpSessions:
        def make_context(call: "Call") -> ServerCall:
            return ServerCall(call.request.scope[ACTOR], services)

        return HttpSessions(tool_server(Offer(NAME, INSTRUCTIONS, TOOLS, make_context)))

    return make


def _unwatched(on_end: Callable[[], None]) -> AbstractContextManager[None]:
    del on_end
    return nullcontext()
