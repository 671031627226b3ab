"""The HTTP client that a session with a remote server goes through: bounded, with its own headers.

The SDK reads a JSON answer whole, however long it is, so what comes is counted underneath it.
"""

from collections.abc import AsyncIterator, Mapping

import httpx2

from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.lines import MOST_LINE_BYTES

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 300.0
"""Of a stream that stays open for what the server may have to say."""


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
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()


def http_client(headers: Mapping[str, str], auth: httpx2.Auth | None) -> httpx2.AsyncClient:
    """A client for one server; whoever makes it closes it."""
    return httpx2.AsyncClient(
        headers=dict(headers),
        auth=auth,
        timeout=httpx2.Timeout(30.0, connect=CONNECT_SECONDS, read=SILENT_SECONDS),
        transport=BoundedTransport(httpx2.AsyncHTTPTransport()),
        trust_env=False,
    )
