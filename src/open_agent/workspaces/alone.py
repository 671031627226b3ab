"""The host for a program that stands alone, without a server: it starts things, and ends with them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.programs import find_ripgrep
from open_agent.workspaces.supervised import SupervisedProcesses

SUPERVISOR_LOCK = "supervisor.lock"
"""The file whose lock says that something still runs."""


@asynccontextmanager
async def host_alone(folder: Path, environment: Mapping[str, str]) -> AsyncGenerator[Isolation]:
    """Work on the machine itself; what was started ends with the context, or with this process.

    Args:
        folder: Of this process alone, while the context lasts.
        environment: What processes may know of this one's environment.
    """
    ripgrep = find_ripgrep(environment.get("PATH"))
    async with SupervisedProcesses(folder / SUPERVISOR_LOCK) as processes:
        yield HostIsolation(processes, environment, {"rg": ripgrep} if ripgrep else {})
