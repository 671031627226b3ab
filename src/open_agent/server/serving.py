"""Listening, and stopping in good order.

The first SIGTERM or SIGINT drains: the server says that it is not ready, streams end so that their
clients come back later, moves in hand may finish, and only then does it stop listening. The second
ends it at once, which is no more than a crash: nothing is lost.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from open_agent.core.errors import Unavailable
from open_agent.server.connection import Connection

CLOSE_SECONDS = 3
"""What open connections get after draining."""


class _Listener(uvicorn.Server):
    """uvicorn without its own ideas of signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to us."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        Unavailable: The address cannot be listened on (`server.cannot_listen`).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            "server.cannot_listen",
            f"Cannot listen on {host}:{port}: {error.strerror}. Stop what uses the port, or set "
            "PORT to another one.",
        ) from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    drain: Callable[[], Awaitable[None]],
    on_listening: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
    connection: type[Connection] = Connection,
) -> None:
    """Serve until the first signal (or `stop`), then drain, then close.

    Args:
        app: What answers.
        listener: Where; closed at the end.
        drain: Brings the work in hand to a good end, within seconds.
        on_listening: Called once requests are answered.
        stop: Another way to ask for the end, for a server inside another program.
        connection: How connections are spoken on.
    """
    server = _Listener(_config(app, connection))
    asked = stop or asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if asked.is_set():
            os._exit(1)
        asked.set()

    if stop is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
    serving = asyncio.create_task(server.serve([listener]), name="http")
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.005)
        on_listening()
        asking = asyncio.create_task(asked.wait())
        await asyncio.wait({serving, asking}, return_when=asyncio.FIRST_COMPLETED)
        asking.cancel()
        if not serving.done():
            await drain()
    finally:
        server.should_exit = True
        await serving
        if stop is None:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def _config(app: ASGIApp, connection: type[Connection]) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        lifespan="off",
        timeout_graceful_shutdown=CLOSE_SECONDS,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
        http=connection,
        ws="none",
        loop="none",
        proxy_headers=False,
    )
