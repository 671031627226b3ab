"""The HTTP client that a session with a remote server goes through: bounded, with its own headers.

The SDK reads a JSON answer whole, however long it is, so what comes is counted underneath it. Of an
answer that is no success it tells neither the status nor what may help, so that is said in its place.
"""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

import httpx2
import mcp_types as types
from pydantic import ValidationError

from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.lines import MOST_LINE_BYTES

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 300.0
"""Of a stream that stays open for what the server may have to say."""

FORGOTTEN = HTTPStatus.NOT_FOUND
"""With which a server says that it does not know the session; the SDK understands that."""
_ADVICE = {
    401: "It does not take our credentials: somebody has to change its headers, or sign in to it.",
    403: "Our credentials do not allow that: somebody has to change them, or do without.",
    429: "It was called too often. Wait before you call again, and call less.",
}
_FAILED = "That is the server's own failure. Trying once more may help; if not, do without."
_UNFIT = "Look whether its address is right."


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error when it is too long."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._body:
            size += len(part)
            if size > MOST_LINE_BYTES:
                raise ServerFailed(f"It answered with more than {MOST_LINE_BYTES:,} bytes at once.")
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Connections whose answers have an end; of event streams the SDK bounds each event."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; its answer may be too long to be read to its end."""
        # Compressed, few bytes could become many.
        request.headers["accept-encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        body = response.stream
        if not is_stream and isinstance(body, httpx2.AsyncByteStream):
            response.stream = _Bounded(body)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ServerFailed("It compresses its answers, though we did not say that it may.")
        is_asked = request.method == "POST" and "event-stream" in request.headers.get("accept", "")
        if is_asked and not is_stream and response.is_error and response.status_code != FORGOTTEN:
            return await _explained(response)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


async def _explained(response: httpx2.Response) -> httpx2.Response:
    """An answer that is no success, with the error that it holds, or one that says what it is."""
    body = await response.aread()
    await response.aclose()
    try:
        is_told = isinstance(types.jsonrpc_message_adapter.validate_json(body), types.JSONRPCError)
    except ValidationError:
        is_told = False
    status = response.status_code
    if not is_told:
        advice = _ADVICE.get(status, _FAILED if response.is_server_error else _UNFIT)
        error = types.ErrorData(code=types.INTERNAL_ERROR, message=f"HTTP {status}. {advice}")
        said = types.JSONRPCError(jsonrpc="2.0", id=None, error=error)
        body = said.model_dump_json(by_alias=True).encode()
    headers = httpx2.Headers(response.headers)
    for name in ("content-length", "transfer-encoding", "content-type"):
        headers.pop(name, None)
    headers["content-type"] = "application/json"
    return httpx2.Response(status, headers=headers, content=body)


def http_client(headers: Mapping[str, str], auth: httpx2.Auth | None) -> httpx2.AsyncClient:
    """A client for one server; whoever makes it closes it."""
    return httpx2.AsyncClient(
        headers=dict(headers),
        auth=auth,
        timeout=httpx2.Timeout(30.0, connect=CONNECT_SECONDS, read=SILENT_SECONDS),
        transport=BoundedTransport(httpx2.AsyncHTTPTransport()),
        trust_env=False,
    )
