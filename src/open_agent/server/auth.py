"""Every request has an actor, but for the few paths that are public.

As a layer around all routes and not a thing that each route asks for, so that a route, a mounted
application or an unknown path cannot forget it.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from anyio import to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from open_agent.core.actor import Actor
from open_agent.core.actor import Scope as Rights
from open_agent.core.errors import OpenAgentError, Refused, Unauthenticated
from open_agent.server.errors import response_to
from open_agent.server.peer import Address, is_own_account
from open_agent.server.perimeter import FOREIGN, READING, SAME_ORIGIN, Headers, refuse
from open_agent.services.access.gate import Access, require_scope

LOGIN_PATH = "/api/auth/login"
PUBLIC = frozenset({
    ("GET", "/api/health"),
    ("GET", "/api/ready"),
    ("GET", "/link"),
    ("POST", LOGIN_PATH),
    ("POST", "/api/auth/session"),
    ("GET", "/api/mcp/oauth/callback"),
    # Lets in by a word of its own, which is one run's.
    ("GET", "/mcp/bridge"),
    ("POST", "/mcp/bridge"),
    ("DELETE", "/mcp/bridge"),
})  # fmt: skip
"""What may be asked without saying who one is. A new one is a decision."""

ACTOR = "open_agent.actor"
"""In the scope: who is calling."""
WATCH = "open_agent.watch"
"""In the scope: `with scope[WATCH](on_end)` calls back when the caller's credential ends."""

SAYS_ITSELF = frozenset({"/mcp"})
"""Where not the method says what a request may change, but what is within; it is checked there."""

COOKIE = "open_agent_session"
PREFIXES = ("Bearer ", "bearer ")
PROXIED = (b"forwarded", b"x-real-ip", b"via")
PROXIED_FAMILY = b"x-forwarded-"
OF_BROWSERS = (b"origin", b"cookie")
FAMILY_OF_BROWSERS = b"sec-fetch-"

IsOwnAccount = Callable[[Address, Address], bool]


class Authentication:
    """Finds out who is calling, and lets in nobody else.

    Args:
        app: What is inside.
        access: Recognises credentials.
        is_own_account: Whether the client's end of a connection is held by our own account.
    """

    def __init__(
        self, app: ASGIApp, *, access: Access, is_own_account: IsOwnAccount = is_own_account
    ) -> None:
        self._app = app
        self._access = access
        self._is_own_account = is_own_account

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with 401, or hand it in with its actor."""
        if scope["type"] in ("http", "websocket") and not _is_public(scope):
            try:
                actor = await self._actor(scope, Headers(scope))
                is_write = scope["type"] == "websocket" or scope["method"] not in READING
                needs_write = is_write and scope["path"] not in SAYS_ITSELF
                require_scope(actor, Rights.WRITE if needs_write else Rights.READ)
            except OpenAgentError as error:
                await refuse(response_to(error), scope, receive, send)
                return
            scope[ACTOR] = actor
            if actor.credential is not None:
                scope[WATCH] = partial(self._access.watch, actor.credential)
        await self._app(scope, receive, send)

    async def _actor(self, scope: Scope, headers: Headers) -> Actor:
        bearer = _bearer(headers)
        is_local = _is_local(scope, headers)
        cookie = _cookie(headers) if bearer is None else None
        try:
            actor = self._access.authenticate(
                cookie if bearer is None else bearer, is_local=is_local
            )
        except Unauthenticated:
            if bearer is not None or cookie is not None or not is_local:
                raise
            actor = await self._of_own_account(scope, headers)
        if cookie is not None:
            _refuse_forged(scope, headers)
        client = scope.get("client")
        return replace(actor, address=client[0] if client else "")

    async def _of_own_account(self, scope: Scope, headers: Headers) -> Actor:
        """The owner, when the kernel says that the caller is one of their programs."""
        actor = self._access.of_own_account()
        is_browser = headers.has_any(OF_BROWSERS, FAMILY_OF_BROWSERS)
        server, client = scope.get("server"), scope.get("client")
        if is_browser or not server or not client:
            return self._access.authenticate(None)
        # Two small files of the kernel, which take longer when there are many connections.
        is_own = await to_thread.run_sync(self._is_own_account, tuple(client), tuple(server))
        return actor if is_own else self._access.authenticate(None)


def address_of(scope: Scope) -> str:
    """Where a request comes from, as its connection has it."""
    client = scope.get("client")
    return client[0] if client else ""


def _is_public(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["method"], scope["path"]) in PUBLIC


def _bearer(headers: Headers) -> bytes | None:
    values = headers.all(b"authorization")
    if not values:
        return None
    value = values[0]
    if len(values) > 1 or not value.startswith(PREFIXES):
        return b""
    return value[len(PREFIXES[0]) :].strip().encode("latin-1")


def _cookie(headers: Headers) -> bytes | None:
    """What our cookie holds; two of them are none of ours."""
    found: list[str] = []
    for header in headers.all(b"cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE:
                found.append(value)
    if not found:
        return None
    return found[0].encode("latin-1") if len(found) == 1 else b""


def _refuse_forged(scope: Scope, headers: Headers) -> None:
    """A cookie comes along by itself; what changes something must say that a page of ours sent it.

    Raises:
        Refused: It does not.
    """
    is_write = scope["type"] == "websocket" or scope["method"] not in READING
    site = headers.get(b"sec-fetch-site")
    is_ours = scope.get(SAME_ORIGIN, False) or (
        site in {"same-origin", "none"} and not headers.all(b"origin")
    )
    if is_write and not is_ours:
        raise Refused(
            "request.cross_site", "With a cookie, only pages of this server may change anything."
        )


def _is_local(scope: Scope, headers: Headers) -> bool:
    """Whether a program on this machine is calling, of its own accord and for itself."""
    client = scope.get("client")
    if client is None or scope.get(FOREIGN, True) or headers.has_any(PROXIED, PROXIED_FAMILY):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
