"""One HTTP connection: what uvicorn leaves open to the peer, closed.

A peer that reads nothing would keep its stream, and what waits to be sent, for ever: closing such
a connection in good order waits for the peer too. So it is dropped. A request that is not for a
path of this server (absolute form, `CONNECT`) never gets to be one.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from open_agent.server.boundary import NO_STORE, SECURITY_HEADERS
from open_agent.server.errors import error_response

LOOK_SECONDS = 10.0
PATIENCE_SECONDS = 30.0
"""How long a peer may read nothing at all while something waits to be sent."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with patience that ends."""

    patience = PATIENCE_SECONDS
    look = LOOK_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._looking: asyncio.TimerHandle | None = None
        self._waiting_bytes = 0
        self._idle_seconds = 0.0

    def pause_writing(self) -> None:
        """More waits to be sent than should: see that it becomes less."""
        super().pause_writing()
        self._idle_seconds = 0.0
        self._waiting_bytes = self.transport.get_write_buffer_size()
        self._look_soon()

    def resume_writing(self) -> None:
        """The peer has read."""
        super().resume_writing()
        self._stop_looking()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_looking()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """The request's head is there."""
        if not self.url.startswith(b"/"):
            raise ValueError("not a path of this server")
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the shape of every other failure."""
        body = bytes(error_response(400, "request.not_http", msg).body)
        headers = SECURITY_HEADERS | {
            "cache-control": NO_STORE,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + head.encode() + b"\r\n" + body)
        self.transport.close()

    def _look_soon(self) -> None:
        self._stop_looking()
        self._looking = self.loop.call_later(self.look, self._look_now)

    def _look_now(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        has_read = waiting < self._waiting_bytes
        self._idle_seconds = 0.0 if has_read else self._idle_seconds + self.look
        self._waiting_bytes = waiting
        if self._idle_seconds >= self.patience:
            self.transport.abort()
        else:
            self._look_soon()

    def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
