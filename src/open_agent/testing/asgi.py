"""A client of an ASGI application without a socket, for tests of streams.

httpx2's own transport holds a reply's body until its end. This one hands on each piece when it is
sent, makes the application wait until it is read, and tells it when the reader goes.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.types import ASGIApp, Message, Scope

HERE = ("127.0.0.1", 50000)


class _Exchange:
    """One request and its reply."""

    def __init__(self, app: ASGIApp, scope: Scope, body: httpx2.AsyncByteStream) -> None:
        self._app = app
        self._scope = scope
        self._body = aiter(body)
        self._is_body_over = False
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
        self._left = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Message:
        """Run the application up to the start of its reply."""
        self._task = asyncio.create_task(self._run(), name=f"asgi {self._scope['path']}")
        message = await self._sent.get()
        if message is None:
            await self._task
            raise RuntimeError("The application ended without a reply")
        return message

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it is sent."""
        while message := await self._sent.get():
            yield message.get("body", b"")
            if not message.get("more_body", False):
                break

    async def leave(self) -> None:
        """Go away, and wait until the application has noticed."""
        self._left.set()
        while not self._sent.empty():
            self._sent.get_nowait()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            if not self._left.is_set():
                await self._sent.put(None)

    async def _send(self, message: Message) -> None:
        if not self._left.is_set():
            await self._sent.put(message)

    async def _receive(self) -> Message:
        if not self._is_body_over:
            try:
                return {"type": "http.request", "body": await anext(self._body), "more_body": True}
            except StopAsyncIteration:
                self._is_body_over = True
                return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}


class _ReplyStream(httpx2.AsyncByteStream):
    """The body of a reply; closing it is going away."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._exchange.pieces():
            if piece:
                yield piece

    async def aclose(self) -> None:
        await self._exchange.leave()


class StreamingTransport(httpx2.AsyncBaseTransport):
    """Carries requests to an application in this event loop.

    Args:
        app: The application.
        client: The address that requests seem to come from.
    """

    def __init__(self, app: ASGIApp, client: tuple[str, int] = HERE) -> None:
        self._app = app
        self._client = client

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; returns when the reply begins."""
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        exchange = _Exchange(self._app, self._scope(request), request.stream)
        start = await exchange.start()
        return httpx2.Response(
            start["status"], headers=start["headers"], stream=_ReplyStream(exchange)
        )

    def _scope(self, request: httpx2.Request) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": self._client,
            "root_path": "",
            "state": {},
        }


@asynccontextmanager
async def client_of(
    app: ASGIApp,
    *,
    token: str | None = None,
    base_url: str = "http://127.0.0.1:3000",
    peer: str = HERE[0],
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of the application; with `token`, one that says who it is."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = StreamingTransport(app, (peer, HERE[1]))
    async with httpx2.AsyncClient(
        transport=transport, base_url=base_url, headers=headers, timeout=None
    ) as client:
        yield client
