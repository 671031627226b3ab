"""Puts together all that has to do with MCP servers, over one database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread

from open_agent.core.clock import Clock
from open_agent.core.ids import UserId
from open_agent.core.mission import MissionKind
from open_agent.mcp.client.folders import remove_all
from open_agent.mcp.client.pool import Pool, Times
from open_agent.mcp.client.ports import Ground
from open_agent.services.access.audit import Audit
from open_agent.services.mcp.directory import McpDirectory
from open_agent.services.mcp.reading import McpReading
from open_agent.services.mcp.registry import McpRegistry
from open_agent.services.mcp.seeding import Seeds
from open_agent.services.mcp.toolboxes import FIRST_LOOK_SECONDS, Toolboxes
from open_agent.store.base import Database
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.environment import DEFAULTS
from open_agent.workspaces.isolation import Isolation


@dataclass(frozen=True, slots=True)
class McpParts:
    """What MCP servers stand on.

    Attributes:
        folder: Where it is remembered which directories processes have.
        own: Our own tools, by the kind of the mission.
        patience: Seconds that a run waits for servers of which nothing is known.
        settings: What of our settings counts for servers of ours that we start.
        rules: What of them no entry changes.
    """

    isolation: Isolation
    clock: Clock
    folder: Path
    working_dir: Path
    own: Mapping[MissionKind, Toolbox]
    times: Times = field(default_factory=Times)
    patience: float = FIRST_LOOK_SECONDS
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    rules: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class McpServices:
    """What can be asked about MCP servers and tools."""

    registry: McpRegistry
    reading: McpReading
    toolboxes: Toolboxes
    directory: McpDirectory
    pool: Pool
    seeds: Seeds
    folder: Path

    async def start(self) -> None:
        """Leave nothing of what ran before, and read what there is."""
        await to_thread.run_sync(remove_all, self.folder)
        await self.seeds.sow()

    async def look_after(self, *, is_shared: bool) -> None:
        """Write down what was counted, and hear of what others have changed, for ever."""
        await self.directory.keep_watch(self._end_what_is_gone, is_shared=is_shared)

    async def let_go(self, user_id: UserId) -> None:
        """End the sessions of a user who may not come any more; of a deleted one, forget all."""
        await self.directory.refresh()
        await self.pool.forget_user(user_id)

    async def close(self) -> None:
        """End all sessions, and write down what was counted."""
        await self.registry.close()
        await self.toolboxes.close()
        await self.pool.close()
        await self.directory.note_counts()

    async def _end_what_is_gone(self) -> None:
        """End sessions with servers that another process has removed, disabled or changed."""
        await self.pool.keep_only(self.directory.enabled)


def open_mcp(database: Database, parts: McpParts, audit: Audit) -> McpServices:
    """What there is to be asked; nothing is read and nothing runs yet."""
    directory = McpDirectory(database.mcp)
    ground = Ground(
        parts.isolation,
        parts.clock,
        parts.folder,
        parts.working_dir,
        parts.settings,
        parts.rules,
    )
    pool = Pool(ground, directory, parts.times)
    toolboxes = Toolboxes(parts.own, directory, pool, database.missions, patience=parts.patience)
    search_path = {**DEFAULTS, **parts.isolation.environment()}["PATH"]
    registry = McpRegistry(directory, pool, toolboxes, audit, parts.clock, search_path)
    seeds = Seeds(directory, parts.clock, parts.working_dir, search_path)
    return McpServices(
        registry, McpReading(directory, pool), toolboxes, directory, pool, seeds, parts.folder
    )
