"""Where runs work: what surrounds it, and what makes it."""

from collections.abc import Sequence

from open_agent.core.clock import SystemClock
from open_agent.services.access.gate import Access
from open_agent.services.access.rules import Mode
from open_agent.services.places import Places
from open_agent.services.workspaces.assembly import WorkspaceServices, open_workspaces
from open_agent.services.workspaces.cloning import checked_addresses
from open_agent.services.workspaces.ground import HostCheck, WorkspaceGround, WorkspaceLimits
from open_agent.settings.settings import Settings
from open_agent.store.database import Database
from open_agent.store.sqlite.database import FILE_NAME
from open_agent.tools.web.addresses import AddressGuard
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import ProcessPort
from open_agent.workspaces.programs import find_ripgrep

MEGABYTE = 1024 * 1024


def make_isolation(settings: Settings, processes: ProcessPort) -> Isolation:
    """Where side effects happen."""
    environment = settings.child_environment
    ripgrep = find_ripgrep(environment.get("PATH"))
    return HostIsolation(processes, environment, {"rg": ripgrep} if ripgrep else {})


def make_workspaces(
    settings: Settings,
    database: Database,
    places: Places,
    isolation: Isolation,
    check_host: HostCheck,
) -> WorkspaceServices:
    """Everything about workspaces."""
    ground = WorkspaceGround(
        rows=database.workspaces,
        missions=database.missions,
        places=places,
        clock=SystemClock(),
        isolation=isolation,
        limits=WorkspaceLimits(
            protocols=tuple(settings.clone_protocols),
            clone_seconds=settings.clone_seconds,
            most_bytes=settings.workspace_max_mb * MEGABYTE,
            total_bytes=settings.workspaces_max_mb * MEGABYTE,
            reserve_bytes=settings.disk_reserve_mb * MEGABYTE,
        ),
        check_host=check_host,
    )
    is_file = settings.database_url is None
    return open_workspaces(ground, settings.data_dir / FILE_NAME if is_file else None)


def host_check(guard: AddressGuard, gate: Access) -> HostCheck:
    """Where there are several users, none of them reaches the machine's own network by a clone."""

    async def check(host: str, port: int) -> Sequence[str] | None:
        if gate.mode is not Mode.MULTI_USER:
            return None
        return await checked_addresses(guard, host, port)

    return check
