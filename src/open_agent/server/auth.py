"""Every request has an actor, but for the few paths that are public.

As a layer around all routes and not a thing that each route asks for, so that a route, a mounted
application or an unknown path cannot forget it.
"""

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from open_agent.core.errors import Unauthenticated
from open_agent.server.errors import response_to
from open_agent.server.perimeter import FOREIGN, Headers, refuse
from open_agent.services.access import Access

PUBLIC_PATHS = frozenset({"/api/health", "/api/ready"})
"""What may be read without saying who one is. A new one is a decision."""

ACTOR = "open_agent.actor"
"""In the scope: who is calling."""

PREFIXES = ("Bearer ", "bearer ")
PROXIED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


class Authentication:
    """Finds out who is calling, and lets in nobody else."""

    def __init__(self, app: ASGIApp, *, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with 401, or hand it in with its actor."""
        if scope["type"] in ("http", "websocket") and not _is_public(scope):
            try:
                scope[ACTOR] = self._access.authenticate(
                    _presented(Headers(scope)), is_local=_is_local(scope)
                )
            except Unauthenticated as error:
                await refuse(response_to(error), scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_public(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PUBLIC_PATHS


def _presented(headers: Headers) -> bytes | None:
    values = headers.all(b"authorization")
    if not values:
        return None
    value = values[0]
    if len(values) > 1 or not value.startswith(PREFIXES):
        return b""
    return value[len(PREFIXES[0]) :].strip().encode("latin-1")


def _is_local(scope: Scope) -> bool:
    """Whether a program on this machine is calling, of its own accord and for itself."""
    client = scope.get("client")
    if client is None or scope.get(FOREIGN, True):
        return False
    headers = Headers(scope)
    if any(headers.all(name) for name in PROXIED):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
