"""`open-agent mcp host` and `open-agent mcp desktop`: MCP servers for the client that starts them."""

import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import anyio
import structlog
import typer

from open_agent.agent.policy import Policy, why_not
from open_agent.cli.options import Place
from open_agent.mcp.servers.desktop.sessions import Desktops
from open_agent.mcp.servers.desktop.standard import desktop_tools
from open_agent.mcp.servers.host import host_tools
from open_agent.mcp.servers.offering import tool_server
from open_agent.mcp.servers.ruling import Judge
from open_agent.mcp.servers.scratch import scratch_folder, socket_folder
from open_agent.mcp.servers.stdio import serve_stdio
from open_agent.settings.settings import Settings
from open_agent.store.blobs import FileBlobs
from open_agent.tools.definition import Effect
from open_agent.tools.ports import WebSearch
from open_agent.tools.web.addresses import AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from open_agent.tools.web.metasearch import MetaSearch
from open_agent.tools.web.tavily import TavilySearch
from open_agent.workspaces.alone import host_alone
from open_agent.workspaces.hiding import hide_this_process
from open_agent.workspaces.isolation import Isolation

HINT = (
    "This is an MCP server: the client that starts it speaks to it on standard input and output. "
    "Ctrl-D ends it. The guide on MCP servers says how to configure clients."
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server is made of.

    Attributes:
        folder: For what it keeps while it runs.
        workspace: Where its tools work.
    """

    settings: Settings
    folder: Path
    workspace: Path
    isolation: Isolation


def serve_host(place: Place) -> None:
    """Serve the tools of runs until the client has gone."""

    async def serve(around: Surroundings) -> None:
        settings = around.settings
        guard = AddressGuard(allow_private=settings.allow_private_hosts, own_ports=lambda: ())
        offer = await host_tools(
            around.workspace,
            around.isolation,
            FileBlobs(around.folder / "outputs"),
            (GuardedFetcher(guard), _search(settings)),
            _judge(settings),
        )
        await serve_stdio(tool_server(offer))

    _run(place, serve)


def serve_desktop(place: Place) -> None:
    """Serve the desktop tools until the client has gone, and every screen with it."""

    async def serve(around: Surroundings) -> None:
        workspace = await around.isolation.workspace(around.workspace)
        judge = _judge(around.settings)
        resolution = around.settings.desktop_resolution
        with socket_folder(around.folder) as folder:
            async with Desktops(around.isolation, workspace.root, folder, resolution) as desktops:
                await serve_stdio(tool_server(desktop_tools(desktops, workspace, judge)))

    _run(place, serve)


def _run(place: Place, serve: Callable[[Surroundings], Awaitable[None]]) -> NoReturn:
    """Serve until the client or a signal ends it; then nothing is left, and the process ends."""
    settings = Settings.load(place.overrides, env_file=place.env_file)
    hide_this_process()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    if sys.stdin.isatty():
        typer.echo(HINT, err=True)
    anyio.run(_serve, settings, serve)
    # A search whose call was cancelled may still wait for its answer, in a thread.
    sys.stderr.flush()
    os._exit(0)


async def _serve(settings: Settings, serve: Callable[[Surroundings], Awaitable[None]]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_end_at_signal, group.cancel_scope)
        async with _surroundings(settings) as around:
            await serve(around)
        group.cancel_scope.cancel()


async def _end_at_signal(serving: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            serving.cancel()


@asynccontextmanager
async def _surroundings(settings: Settings) -> AsyncGenerator[Surroundings]:
    with scratch_folder() as folder:
        async with host_alone(folder, settings.child_environment) as isolation:
            workspace = settings.open_agent_workspace or Path.cwd()
            yield Surroundings(settings, folder, workspace, isolation)


def _judge(settings: Settings) -> Judge:
    """What the operator's rules forbid. Nobody can be asked: what they would ask about is, too."""
    policy = Policy.of(rule.model_dump() for rule in settings.approvals)

    def judge(tool: str, effect: Effect, arguments: Mapping[str, Any]) -> str | None:
        return why_not(policy.decide(tool, effect.value, arguments))

    return judge


def _search(settings: Settings) -> WebSearch:
    key = settings.tavily_api_key
    return MetaSearch() if key is None else TavilySearch(key.get_secret_value())
