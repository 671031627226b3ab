"""What everything about workspaces stands on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from open_agent.core.clock import Clock
from open_agent.services.places import Places
from open_agent.services.workspaces.git import GitProgram
from open_agent.store.missions import Missions
from open_agent.store.workspaces import WorkspaceRows
from open_agent.workspaces.isolation import Isolation

HostCheck = Callable[[str, int], Awaitable[Sequence[str] | None]]
"""The addresses that a host may be reached at; nothing where any will do.

Raises `Invalid` when it may not be reached.
"""


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    """What workspaces may take; 0 means no bound.

    Attributes:
        protocols: By which repositories may be cloned.
        clone_seconds: What making one may take.
        most_bytes: Of one workspace.
        total_bytes: Of all that we made together.
        reserve_bytes: What stays free on the disk.
    """

    protocols: tuple[str, ...] = ("https", "ssh", "file")
    clone_seconds: int = 1800
    most_bytes: int = 0
    total_bytes: int = 0
    reserve_bytes: int = 0


@dataclass(frozen=True, slots=True)
class WorkspaceGround:
    """What they stand on."""

    rows: WorkspaceRows
    missions: Missions
    places: Places
    clock: Clock
    isolation: Isolation
    limits: WorkspaceLimits
    check_host: HostCheck

    @property
    def git(self) -> GitProgram:
        """Git, started where everything is."""
        return GitProgram(self.isolation)
