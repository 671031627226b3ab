"""What routes can ask, in one value that `app` fills."""

from dataclasses import dataclass

from open_agent.core.clock import Clock
from open_agent.services.access.assembly import AccessServices
from open_agent.services.control.assembly import Control
from open_agent.services.mcp.assembly import McpServices
from open_agent.services.missions import MissionEvents
from open_agent.services.processes import KeptProcesses
from open_agent.services.stats import Stats
from open_agent.services.system import System
from open_agent.services.tasks import Tasks
from open_agent.services.workspaces.assembly import WorkspaceServices


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the server offers over HTTP."""

    tasks: Tasks
    missions: MissionEvents
    control: Control
    processes: KeptProcesses
    stats: Stats
    system: System
    access: AccessServices
    mcp: McpServices
    workspaces: WorkspaceServices
    clock: Clock
