"""Listening, and stopping in good order.

The first SIGTERM or SIGINT drains: the server says that it is not ready, streams end so that their
clients come back later, moves in hand may finish, and only then does it stop listening. The second
ends it at once, and so does a stop that takes too long. That is no more than a crash: nothing is
lost.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Generator

import anyio
import uvicorn
from starlette.types import ASGIApp

from open_agent.core.errors import Unavailable
from open_agent.server.connection import Connection

DATE_SECONDS = 1.0
CLOSE_SECONDS = 3
"""What open connections get after draining."""
STOP_SECONDS = 24.0
"""From the first signal to the end of the process, whatever hangs; 25 are promised."""


class _Listener(uvicorn.Server):
    """uvicorn without its own ideas of signals, and without looking ten times a second for its end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """End."""
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Bring the date of replies up to date until the end."""
        while not await self.on_tick(0):
            with anyio.move_on_after(DATE_SECONDS):
                await self._leaving.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to us."""
        yield


def bind(host: str, port: int, *, is_listening: bool = True) -> socket.socket:
    """A socket, listening unless it is to `listen` later; port 0 takes a free one.

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
        raise _cannot_listen(f"{host}:{port}", error) from error
    listener.setblocking(False)
    if is_listening:
        listen(listener)
    return listener


def listen(listener: socket.socket) -> None:
    """Let connections come in, if they may not yet.

    Raises:
        Unavailable: Somebody else has begun to listen there (`server.cannot_listen`).
    """
    try:
        listener.listen(2048)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        listener.close()
        raise _cannot_listen(f"{host}:{port}", error) from error


def _cannot_listen(where: str, error: OSError) -> Unavailable:
    return Unavailable(
        "server.cannot_listen",
        f"Cannot listen on {where}: {error.strerror}. Stop what uses the port, or set PORT to "
        "another one.",
    )


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    drain: Callable[[], Awaitable[None]],
    on_listening: Callable[[], None] = lambda: None,
    on_cut: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
    connection: type[Connection] = Connection,
) -> None:
    """Serve until the first signal (or `stop`), then drain, then close.

    Args:
        app: What answers.
        listener: Where; closed at the end.
        drain: Brings the work in hand to a good end, within seconds.
        on_listening: Called once requests are answered.
        on_cut: Called when work is cut off, right before the process ends.
        stop: Another way to ask for the end, for a server inside another program.
        connection: How connections are spoken on.
    """
    server = _Listener(_config(app, connection))
    asked = stop or asyncio.Event()
    if stop is None:
        _obey_signals(asked, on_cut)
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
        server.leave()
        await serving


def _obey_signals(asked: asyncio.Event, on_cut: Callable[[], None]) -> None:
    """Ask for the end at the first signal, and see to it that it comes, until the loop closes."""

    def cut(number: signal.Signals) -> None:
        on_cut()
        os._exit(128 + number)

    def on_signal(number: signal.Signals) -> None:
        if asked.is_set():
            cut(number)
        asked.set()
        # A thread, since the loop itself may be what hangs.
        too_long = threading.Timer(STOP_SECONDS, cut, (number,))
        too_long.daemon = True
        too_long.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


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
