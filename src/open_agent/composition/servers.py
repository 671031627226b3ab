"""Servers for the command line: one that serves, one within a command's own process."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import uvloop

from open_agent.cli.ports import LocalServer, OnReady
from open_agent.composition.application import LOOPBACK, open_application
from open_agent.server.logs import configure_logs
from open_agent.server.serving import bind, listen, serve
from open_agent.settings.settings import Settings
from open_agent.workspaces.hiding import hide_this_process


class Servers:
    """Makes servers for the command line."""

    def serve(
        self,
        settings: Settings,
        *,
        on_ready: OnReady,
        on_stopping: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> int:
        """Serve until a signal ends it in good order; returns the exit code."""
        hide_this_process()
        configure_logs(settings.log_level)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(settings, on_ready, on_stopping, on_cut))
        return 0

    @asynccontextmanager
    async def in_process(
        self, settings: Settings, *, is_working: bool = True
    ) -> AsyncGenerator[LocalServer]:
        """A server on a free port of this machine for as long as the context lasts."""
        hide_this_process()
        configure_logs("error")
        listener = bind("127.0.0.1", 0)
        # Whatever the settings say of other servers on them, this one is for its own process.
        settings = settings.model_copy(update={"host": "127.0.0.1"})
        name = listener.getsockname()
        url = _url(name)
        async with open_application(
            settings, own_ports={name[1]}, is_working=is_working
        ) as application:
            stop, listening = asyncio.Event(), asyncio.Event()
            serving = asyncio.create_task(
                serve(
                    application.http,
                    listener,
                    drain=application.drain,
                    on_listening=listening.set,
                    stop=stop,
                )
            )
            await listening.wait()
            try:
                yield LocalServer(url, application.token)
            finally:
                stop.set()
                await serving

    async def _serve(
        self,
        settings: Settings,
        on_ready: OnReady,
        on_stopping: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> None:
        # Nobody is answered before it is known that there is somebody to keep others out for.
        listener = bind(settings.host, settings.port, is_listening=not settings.is_exposed)
        name = listener.getsockname()
        url = _url(name)
        async with open_application(settings, own_ports={name[1]}) as application:
            link = application.sessions.first_link()
            way_in = f"{url}{link.path}" if link else None
            listen(listener)

            async def drain() -> None:
                on_stopping()
                await application.drain()

            await serve(
                application.http,
                listener,
                drain=drain,
                on_listening=lambda: on_ready(url, way_in, application.warnings),
                on_cut=on_cut,
            )


def _url(name: tuple[str, int]) -> str:
    """Where programs of this machine find the server, which may listen on all of its addresses."""
    address = LOOPBACK.get(name[0], name[0])
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}:{name[1]}"
