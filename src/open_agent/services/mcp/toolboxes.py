"""The tools of missions: ours, and those of the servers that their owner may use, less what is off.

The same objects are handed out as long as nothing changes, so that asking costs nothing, and in
the same order, so that what providers have cached stays valid.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId, UserId
from open_agent.core.mcp import McpListing, McpServer
from open_agent.core.mission import MissionKind
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.naming import prefixes, tool_names
from open_agent.mcp.client.offers import Offers, examine
from open_agent.mcp.client.pool import Pool
from open_agent.mcp.client.ports import Place
from open_agent.mcp.client.tools import McpTool, ReadResource
from open_agent.services.mcp.directory import McpDirectory
from open_agent.store.missions import Missions
from open_agent.tools.clipping import Clipped
from open_agent.tools.definition import Tool
from open_agent.tools.registry import Toolbox

FIRST_LOOK_SECONDS = 5.0
"""What a run waits at most for servers that nobody has connected to yet."""
READ_RESOURCE = "read_resource"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as it is offered to one user.

    Attributes:
        server: Whose it is; none for our own.
        is_off: It is switched off, for this user or for everybody.
        is_usable: Models are offered it, unless it is off.
    """

    name: str
    description: str
    server: McpServer | None = None
    is_off: bool = False
    is_usable: bool = True


class Toolboxes:
    """A `ToolSource` of our own tools and of the owner's servers.

    Args:
        own: Our own tools, by the kind of the mission.
        directory: What servers there are, and what is switched off.
        pool: Has the sessions.
        missions: Tells whose a mission is.
        patience: Seconds that a run waits for servers of which nothing is known.
    """

    def __init__(
        self,
        own: Mapping[MissionKind, Toolbox],
        directory: McpDirectory,
        pool: Pool,
        missions: Missions,
        *,
        patience: float = FIRST_LOOK_SECONDS,
    ) -> None:
        self._own = own
        self._patience = patience
        self._directory = directory
        self._pool = pool
        self._missions = missions
        self._version = -1
        self._toolboxes: dict[tuple[UserId, MissionKind], Toolbox] = {}
        self._theirs: dict[UserId, list[tuple[Tool, McpServer]]] = {}
        self._slow: set[tuple[str, UserId]] = set()
        """Servers that were waited for in vain."""
        self._looks: set[asyncio.Task[None]] = set()
        self._offers: dict[str, tuple[McpListing, Offers]] = {}

    async def of_mission(self, mission_id: MissionId, kind: MissionKind) -> "McpMissionTools":
        """The tools of a mission."""
        mission = await self._missions.get_for_system(mission_id)
        return McpMissionTools(self, mission_id, mission.owner_id, kind)

    def toolbox(self, owner: UserId, kind: MissionKind) -> Toolbox:
        """What models of an owner's missions may use now: ours first, then the servers'."""
        directory = self._directory
        self._look()
        if not directory.has_servers and not directory.has_switches:
            return self._own[kind]
        found = self._toolboxes.get((owner, kind))
        if found is None:
            own = (self._own[kind].get(name) for name in self._own[kind].names)
            tools = [*(tool for tool in own if tool is not None), *self._usable(owner)]
            found = Toolbox(tool for tool in tools if not directory.is_off(tool.name, owner))
            self._toolboxes[owner, kind] = found
        return found

    def of_servers(self, owner: UserId) -> Toolbox:
        """Only the tools of MCP servers: what another backend is given beside its own tools.

        Each is called with a context that names the mission, whose servers keep their state.
        """
        self._look()
        off = self._directory.is_off
        return Toolbox(tool for tool in self._usable(owner) if not off(tool.name, owner))

    def offered(self, owner: UserId) -> list[OfferedTool]:
        """Every tool that a user could have, by name; those that are off too."""
        self._look()
        off = self._directory.is_off
        found: dict[str, OfferedTool] = {}
        for toolbox in self._own.values():
            for schema in toolbox.schemas():
                name = schema["function"]["name"]
                description = schema["function"]["description"]
                found[name] = OfferedTool(name, description, is_off=off(name, owner))
        for tool, server in self._of(owner):
            description = tool.schema["function"]["description"]
            found[tool.name] = OfferedTool(
                tool.name, description, server, off(tool.name, owner), server.is_enabled
            )
        return sorted(found.values(), key=lambda each: each.name)

    def examined(self, server: McpServer) -> Offers:
        """What of a server's tools is fit to be offered."""
        known = self._offers.get(server.id)
        if known is None or known[0] is not server.listing:
            known = self._offers[server.id] = (server.listing, examine(server.listing.tools))
        return known[1]

    async def look_first(self, owner: UserId) -> None:
        """Connect to the owner's servers of which nothing is known yet, for a short time.

        What takes longer goes on, and is noticed when it is there.
        """
        unknown = [
            each
            for each in self._directory.visible(owner)
            if each.is_enabled and each.listing.at is None
        ]
        if not unknown:
            return
        # One that has failed before, or taken too long, is tried again, and nobody waits for it.
        new = {
            each.id
            for each in unknown
            if (each.id, owner) not in self._slow and not self._pool.state(each.id, owner).error
        }
        # Whoever stops waiting leaves them to themselves: each ends what it has begun.
        awaited: dict[asyncio.Task[None], str] = {}
        for each in unknown:
            look = asyncio.create_task(self._look_at(each, owner), name="mcp look")
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)
            if each.id in new:
                awaited[look] = each.id
        if awaited:
            _, late = await asyncio.wait(awaited, timeout=self._patience)
            self._slow.update((awaited[look], owner) for look in late)

    async def close(self) -> None:
        """Look no further."""
        looks = list(self._looks)
        for look in looks:
            look.cancel()
        if looks:
            await asyncio.wait(looks)

    async def end_mission(self, mission_id: MissionId) -> None:
        """End what servers keep for a mission."""
        await self._pool.end_mission(mission_id)

    async def _look_at(self, server: McpServer, owner: UserId) -> None:
        try:
            await self._pool.connect(server, Place(owner))
            if server.is_per_mission:
                # Only to see what it offers; each mission has its own.
                await self._pool.forget(server.id, owner)
        except (ServerFailed, OpenAgentError) as error:
            log.debug("mcp.not_listed", server=server.name, problem=str(error))

    def _look(self) -> None:
        if self._version != self._directory.version:
            self._version = self._directory.version
            self._toolboxes.clear()
            self._theirs.clear()

    def _usable(self, owner: UserId) -> list[Tool]:
        return [tool for tool, server in self._of(owner) if server.is_enabled]

    def _of(self, owner: UserId) -> Sequence[tuple[Tool, McpServer]]:
        """The tools of all servers that an owner can see, under the names that models know."""
        if owner not in self._theirs:
            self._theirs[owner] = list(self._made(owner))
        return self._theirs[owner]

    def _made(self, owner: UserId) -> list[tuple[Tool, McpServer]]:
        servers = self._directory.visible(owner)
        begin = prefixes(servers)
        taken = {name for toolbox in self._own.values() for name in toolbox.names}
        found: list[tuple[Tool, McpServer]] = []
        for server in sorted(servers, key=lambda each: (not each.is_shared, each.created_at)):
            listed = {tool.name: tool for tool in self.examined(server).tools}
            names = tool_names(server.id, begin[server.id], sorted(listed), taken)
            for own_name, name in names.items():
                tool = McpTool(name, server, listed[own_name], owner, self._pool)
                found.append((Clipped(tool), server))
            if server.listing.has_resources:
                reading = tool_names(server.id, begin[server.id], (READ_RESOURCE,), taken)
                for name in reading.values():
                    found.append((Clipped(ReadResource(name, server, owner, self._pool)), server))
        return found


class McpMissionTools:
    """`MissionTools` of one mission."""

    def __init__(
        self, toolboxes: Toolboxes, mission_id: MissionId, owner: UserId, kind: MissionKind
    ) -> None:
        self._toolboxes = toolboxes
        self._mission_id = mission_id
        self.owner = owner
        self._kind = kind

    @property
    def toolbox(self) -> Toolbox:
        """What its model may use now."""
        return self._toolboxes.toolbox(self.owner, self._kind)

    @property
    def servers(self) -> Toolbox:
        """Only those of MCP servers."""
        return self._toolboxes.of_servers(self.owner)

    async def begin_run(self) -> None:
        """Find out what servers offer of which that is not known yet; never for long."""
        await self._toolboxes.look_first(self.owner)

    async def end_run(self) -> None:
        """End what servers kept for the mission."""
        await self._toolboxes.end_mission(self._mission_id)
