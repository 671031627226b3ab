"""The outermost layer: headers on every reply, a reply to every failure, a line for every request.

What is logged of a request is its method, its path and its end: never its query, its headers or
its body.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from open_agent.core.clock import Clock
from open_agent.core.ids import new_uuid
from open_agent.server.errors import error_response

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
NO_STORE = "no-store"

log = structlog.get_logger(__name__)


class Boundary:
    """Stands between the server and everything of ours."""

    def __init__(self, app: ASGIApp, *, clock: Clock) -> None:
        self._app = app
        self._clock = clock
        self._headers = [
            (name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send, self._headers)
        began = self._clock.monotonic()
        try:
            await self._app(scope, receive, reply.send)
        except Exception:  # boundary: a failing route is not the server's end
            failure_id = new_uuid()
            log.exception(
                "request.failed", id=failure_id, method=scope["method"], path=scope["path"]
            )
            if not reply.status:
                response = error_response(
                    500,
                    "internal",
                    "The server failed inside. Its log says how, under the id in `details`.",
                    {"id": failure_id},
                )
                await response(scope, receive, reply.send)
        finally:
            log.debug(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=reply.status,
                ms=round((self._clock.monotonic() - began) * 1000, 1),
            )


class _Reply:
    """Sends a reply with our headers, and remembers its status; 0 before it has begun."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        self._send = send
        self._headers = headers
        self.status = 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", [])
            names = {name for name, _ in given}
            added = [header for header in self._headers if header[0] not in names]
            if b"cache-control" not in names:
                added.append((b"cache-control", NO_STORE.encode()))
            message = {**message, "headers": [*given, *added]}
        await self._send(message)
