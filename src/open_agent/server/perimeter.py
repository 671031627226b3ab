"""What is checked of every request before anything of ours reads it, WebSockets included.

A request must name this server as its host, so that no other name can be pointed here (DNS
rebinding). What changes something must not come from another site's page. A body is JSON, said
to be JSON, and small. Only pages of the origins that the operator has listed may read a reply, and
ask beforehand what they may send; to every other page it is as if there were no CORS.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from open_agent.server.errors import NOT_JSON, error_response

MAX_BODY_BYTES = 2 * 1024 * 1024
READING = frozenset({"GET", "HEAD", "OPTIONS"})
FOREIGN = "open_agent.is_foreign"
"""In the scope: another site's page caused this request."""
SAME_ORIGIN = "open_agent.is_same_origin"
"""In the scope: a page of this server itself caused this request, and its browser says so."""

ALLOWED_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = (
    "Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Mcp-Session-Id, "
    "Mcp-Protocol-Version"
)
EXPOSED_HEADERS = "Link, Retry-After, Location, Mcp-Session-Id"
PREFLIGHT_SECONDS = 600

_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Authority:
    """A host and a port as a header names them, in lower case."""

    host: str
    port: str | None


class Headers:
    """The headers of a request, by name."""

    def __init__(self, scope: Scope) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] = scope["headers"]

    def all(self, name: bytes) -> list[str]:
        """Every value of a header."""
        return [value.decode("latin-1") for key, value in self._headers if key == name]

    def get(self, name: bytes) -> str | None:
        """The first value of a header, if it is there."""
        found = self.all(name)
        return found[0] if found else None

    def has_any(self, names: Sequence[bytes], family: bytes) -> bool:
        """Whether one of these is there, or one that begins like the family."""
        return any(key in names or key.startswith(family) for key, _ in self._headers)


def read_authority(text: str) -> Authority | None:
    """A host and port as the `Host` header has them; none when it is not that."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    host, port = match.groups()
    return Authority(host.lower(), port)


class Perimeter:
    """Refuses what no honest client sends.

    Args:
        app: What is inside.
        hosts: Further names of this server; the loopback names are always its own.
        origins: Further origins whose pages may use everything that a token opens.
        is_open: It listens beyond loopback, so that its addresses are names of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: frozenset[str] = frozenset(),
        origins: frozenset[str] = frozenset(),
        is_open: bool = False,
    ) -> None:
        self._app = app
        self._is_open = is_open
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origin.lower() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it in."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        origin = self._listed_origin(scope)
        if scope["type"] == "http" and self._origins:
            send = _with_cors(send, origin)
        refusal = self._refusal(scope)
        if refusal is None and origin is not None and _is_preflight(scope):
            refusal = _PREFLIGHT_REPLY
        if refusal is not None:
            await refuse(refusal, scope, receive, send)
            return
        limited = BodyLimit(receive, MAX_BODY_BYTES) if scope["type"] == "http" else receive
        await self._app(scope, limited, send)

    def _listed_origin(self, scope: Scope) -> str | None:
        """The origin of the page that asks, when it is one of those that may."""
        origins = Headers(scope).all(b"origin")
        return origins[0] if len(origins) == 1 and origins[0] in self._origins else None

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope)
        hosts = headers.all(b"host")
        host = read_authority(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return error_response(
                400, "request.host_invalid", "Send one `Host` header with a host name and a port."
            )
        if not self._is_ours(host.host, scope):
            return error_response(
                421,
                "request.host_unknown",
                "This server does not go by that name. Call it 127.0.0.1 or localhost.",
            )
        scope[FOREIGN] = self._is_foreign(scope, headers, host)
        own = headers.all(b"origin")
        scope[SAME_ORIGIN] = len(own) == 1 and _is_same(own[0], host)
        is_write = scope["type"] == "websocket" or scope["method"] not in READING
        if is_write and scope[FOREIGN]:
            return error_response(
                403, "request.cross_site", "Pages of other sites may not change anything here."
            )
        return _body_refusal(headers) if scope["type"] == "http" else None

    def _is_ours(self, host: str, scope: Scope) -> bool:
        if host == "localhost" or host in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        if address.is_loopback or not self._is_open:
            return address.is_loopback
        # A page cannot be pointed here by a name that is an address.
        server = scope.get("server")
        return server is not None and str(address) == server[0]

    def _is_foreign(self, scope: Scope, headers: Headers, host: Authority) -> bool:
        origins = headers.all(b"origin")
        if origins:
            if len(origins) > 1:
                return True
            if origins[0] in self._origins:
                return False
            return not _is_same(origins[0], host)
        site = headers.get(b"sec-fetch-site")
        if site in (None, "same-origin", "none"):
            return False
        # Following a link is how people arrive; the page that has it cannot read the reply.
        is_link = headers.get(b"sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
        return not is_link


class BodyLimit:
    """Hands on a body as it comes, up to a limit, whatever length was announced."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        """The next message.

        Raises:
            HTTPException: The body is over the limit.
        """
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, TOO_LARGE)
        return message


TOO_LARGE = f"The body is over the limit of {MAX_BODY_BYTES:,} bytes."


async def refuse(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal; a WebSocket is closed before it opens, which is a 403 to its client."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
    else:
        await response(scope, receive, send)


def _is_preflight(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "OPTIONS"
        and Headers(scope).get(b"access-control-request-method") is not None
    )


_PREFLIGHT_REPLY = Response(
    status_code=204,
    headers={
        "Access-Control-Allow-Methods": ALLOWED_METHODS,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    },
)


def _with_cors(send: Send, origin: str | None) -> Send:
    """Say on a reply which page may read it, and that this depends on the page."""

    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"vary", b"Origin")]
            if origin is not None:
                headers += [
                    (b"access-control-allow-origin", origin.encode("latin-1")),
                    (b"access-control-expose-headers", EXPOSED_HEADERS.encode()),
                ]
            message = {**message, "headers": headers}
        await send(message)

    return say


def _is_same(origin: str, host: Authority) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or origin != f"{parts.scheme}://{parts.netloc}":
        return False
    theirs = read_authority(parts.netloc)
    default = _DEFAULT_PORTS[parts.scheme]
    return (
        theirs is not None
        and theirs.host == host.host
        and (theirs.port or default) == (host.port or default)
    )


def _body_refusal(headers: Headers) -> Response | None:
    length = headers.get(b"content-length") or "0"
    if not length.isdecimal() or int(length[:20]) > MAX_BODY_BYTES:
        return error_response(413, "request.too_large", TOO_LARGE)
    if length.strip("0") == "" and headers.get(b"transfer-encoding") is None:
        return None
    types = headers.all(b"content-type")
    if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
        return error_response(415, *NOT_JSON)
    return None
