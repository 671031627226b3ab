"""Puts together all about workspaces, over one database."""

from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.services.workspaces.cloning import Cloning
from open_agent.services.workspaces.disk import DiskWatch
from open_agent.services.workspaces.ending import Ending
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.leaving import Leaving
from open_agent.services.workspaces.making import Making
from open_agent.services.workspaces.merging import Merging
from open_agent.services.workspaces.reserving import Reserving
from open_agent.services.workspaces.workspaces import Workspaces
from open_agent.services.workspaces.worktrees import Worktrees


@dataclass(frozen=True, slots=True)
class WorkspaceServices:
    """What can be asked about workspaces.

    Attributes:
        isolation: What surrounds the work in them.
    """

    workspaces: Workspaces
    making: Making
    reserving: Reserving
    leaving: Leaving
    disk: DiskWatch
    isolation: str

    async def look_after(self) -> None:
        """Measure, and remove what nobody needs any more; for ever."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.disk.keep_watch)
            group.start_soon(self.leaving.keep_watch)


def open_workspaces(
    ground: WorkspaceGround, database_file: Path | None = None
) -> WorkspaceServices:
    """Everything, ready to be asked."""
    git = ground.git
    worktrees = Worktrees(git)
    making = Making(ground, Cloning(ground), worktrees)
    disk = DiskWatch(ground, database_file)
    ending = Ending(ground, making, worktrees)
    reserving = Reserving(ground, making, worktrees, disk)
    merging = Merging(git, worktrees)
    return WorkspaceServices(
        workspaces=Workspaces(ground, making, merging, ending, reserving),
        making=making,
        reserving=reserving,
        leaving=Leaving(ground, making, ending),
        disk=disk,
        isolation=ground.isolation.name,
    )
