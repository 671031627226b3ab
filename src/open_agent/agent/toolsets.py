"""Where a mission's tools come from: they may change while it is worked on."""

from collections.abc import Mapping
from typing import Protocol

from open_agent.core.ids import MissionId, UserId
from open_agent.core.mission import MissionKind
from open_agent.tools.registry import Toolbox


class MissionTools(Protocol):
    """The tools of one mission, for as long as a worker has it."""

    @property
    def toolbox(self) -> Toolbox:
        """What its model may use now; the same object as long as nothing has changed."""
        ...

    @property
    def servers(self) -> Toolbox:
        """Only those of MCP servers: what a backend with tools of its own is given beside them."""
        ...

    @property
    def owner(self) -> UserId | None:
        """Whose mission it is; none where that makes no difference."""
        ...

    async def begin_run(self) -> None:
        """Find out what the tools are before a run begins; never takes long, never fails."""
        ...

    async def end_run(self) -> None:
        """End what was kept for the run, such as a browser."""
        ...


class ToolSource(Protocol):
    """Gives missions their tools."""

    async def of_mission(self, mission_id: MissionId, kind: MissionKind) -> MissionTools:
        """The tools of a mission."""
        ...


class FixedTools:
    """A `ToolSource` of tools that are always the same, by the kind of the mission."""

    def __init__(self, tools: Mapping[MissionKind, Toolbox]) -> None:
        self._tools = tools

    async def of_mission(self, mission_id: MissionId, kind: MissionKind) -> "FixedMissionTools":
        """The tools of a mission."""
        del mission_id
        return FixedMissionTools(self._tools[kind])


class FixedMissionTools:
    """`MissionTools` that never change."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox
        self.servers: Toolbox = Toolbox(())
        self.owner: UserId | None = None

    async def begin_run(self) -> None:
        """Nothing is to be found out."""

    async def end_run(self) -> None:
        """Nothing is kept."""
