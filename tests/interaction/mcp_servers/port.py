"""The server of a rig on a real port, for clients that are programs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from open_agent.server.serving import bind, serve
from tests.interaction.http.rig import Rig


@asynccontextmanager
async def on_port(rig: Rig) -> AsyncGenerator[str]:
    """The address of its `/mcp`; leaving the context stops it in good order."""
    listener = bind("127.0.0.1", 0)
    port: int = listener.getsockname()[1]
    is_listening, stop = asyncio.Event(), asyncio.Event()

    async def drain() -> None:
        rig.feed.close()

    serving = asyncio.create_task(
        serve(rig.app, listener, drain=drain, on_listening=is_listening.set, stop=stop)
    )
    await is_listening.wait()
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        stop.set()
        await serving
