"""Servers on loopback that say exactly what a test wants, byte for byte."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

HERE = Path(__file__).parent
AUTHORITY = HERE / "authority.pem"

Handler = Callable[[str, ByteStream], Awaitable[None]]
"""Gets the head of a request, and answers it."""


@dataclass
class Site:
    """A server, and the heads of the requests that it got."""

    port: int
    requests: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Serve = Callable[..., AbstractAsyncContextManager[Site]]


def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "server.pem")
    return context


@pytest.fixture
def serve() -> Serve:
    """Serve with a handler, or with one answer for all: `async with serve(reply("text"))`."""
    return open_site


@asynccontextmanager
async def open_site(
    handler: Handler | bytes, *, host: str = "127.0.0.1", tls: bool = False
) -> AsyncGenerator[Site]:
    listener = await anyio.create_tcp_listener(local_host=host)
    site = Site(listener.extra(SocketAttribute.local_port))

    async def handle(stream: ByteStream) -> None:
        async with stream:
            try:
                head = await read_head(stream)
                site.requests.append(head)
                if isinstance(handler, bytes):
                    await stream.send(handler)
                else:
                    await handler(head, stream)
            except (anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                return

    async with listener, anyio.create_task_group() as group:
        serving = (
            TLSListener(listener, server_tls(), standard_compatible=False) if tls else listener
        )
        group.start_soon(serving.serve, handle)
        yield site
        group.cancel_scope.cancel()


async def read_head(stream: ByteStream) -> str:
    head = b""
    while b"\r\n\r\n" not in head:
        head += await stream.receive()
    return head.decode()


def reply(
    body: bytes | str, kind: str = "text/plain", *, status: str = "200 OK", **headers: str
) -> bytes:
    """A whole answer; `content_encoding=…` is a header."""
    data = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Length: {len(data)}",
        *([f"Content-Type: {kind}"] if kind else []),
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


def redirect(where: str, status: str = "302 Found") -> bytes:
    return reply("", status=status, location=where)
