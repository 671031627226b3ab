"""Sessions with real programs, with the test in the place of whoever configures them."""

import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, UserId, new_uuid
from open_agent.core.mcp import (
    HttpTransport,
    McpListing,
    McpSecret,
    McpServer,
    SecretKind,
    StdioTransport,
)
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.pool import Pool, Times
from open_agent.mcp.client.ports import Ground, Place, Result
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.supervised import SupervisedProcesses

HERE = Path(__file__).parent
ANNA, BEN = UserId("anna"), UserId("ben")


@dataclass
class Keeper:
    """What is configured, and what was heard."""

    held: list[McpSecret] = field(default_factory=list[McpSecret])
    oauth: dict[str, str] = field(default_factory=dict[str, str])
    listings: list[McpListing] = field(default_factory=list[McpListing])
    counts: list[bool] = field(default_factory=list[bool])

    async def secrets(self, server: McpServer, owner: UserId) -> Sequence[McpSecret]:
        kept = [McpSecret(SecretKind.OAUTH, name, value) for name, value in self.oauth.items()]
        return [*self.held, *kept]

    async def keep_oauth(self, server: McpServer, owner: UserId, name: str, value: str) -> None:
        self.oauth[name] = value

    async def listed(self, server: McpServer, listing: McpListing) -> None:
        self.listings.append(listing)

    def counted(self, server_id: str, *, is_error: bool) -> None:
        self.counts.append(is_error)

    @property
    def names(self) -> list[str]:
        """The tools that were listed last."""
        return [tool.name for tool in self.listings[-1].tools]


@dataclass
class Rig:
    """A pool, and what stands around it."""

    pool: Pool
    keeper: Keeper
    processes: SupervisedProcesses
    folder: Path

    async def call(
        self, server: McpServer, tool: str, place: Place | None = None, **arguments: Any
    ) -> Result:
        """Call a tool."""
        return await self.pool.call(server, place or Place(ANNA), tool, arguments, lambda _: None)

    async def refused(self, server: McpServer, tool: str = "bad", **arguments: Any) -> str:
        """Call a tool that fails; why it did."""
        try:
            result = await self.call(server, tool, **arguments)
        except ServerFailed as error:
            return str(error)
        raise AssertionError(f"it answered {result.text[:200]!r}")


def program(name: str, *args: str, **changes: Any) -> McpServer:
    """A server that is a program of these tests."""
    transport = StdioTransport(sys.executable, (str(HERE / f"{name}.py"), *args))
    return configured(transport, **changes)


def configured(transport: StdioTransport | HttpTransport, **changes: Any) -> McpServer:
    """A server of anna's."""
    server = McpServer(new_uuid(), ANNA, False, "small", transport, datetime.now(UTC))
    return replace(server, **changes)


def in_mission(owner: UserId = ANNA, folder: Path | None = None) -> Place:
    """A new mission of somebody's."""
    return Place(owner, MissionId(new_uuid()), folder)


@asynccontextmanager
async def rig(
    tmp_path: Path, *, idle: float = 600.0, call: float = 30.0, ping: float = 10.0
) -> AsyncGenerator[Rig]:
    """A pool over real processes."""
    keeper = Keeper()
    async with SupervisedProcesses(tmp_path / "supervisor.lock") as processes:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "SECRET_OF_THE_SERVER": "canary",
        }
        ground = Ground(
            HostIsolation(processes, environment),
            SystemClock(),
            tmp_path / "run",
            tmp_path / "work",
        )
        pool = Pool(ground, keeper, Times(idle=idle, call=call, ping=ping))
        try:
            yield Rig(pool, keeper, processes, tmp_path)
        finally:
            await pool.close()
