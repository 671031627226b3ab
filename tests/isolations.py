"""A second isolation, only for tests: a wrapper around every program, and another root.

What holds under it and under `host` holds because tools, backends and MCP know nothing of either.
"""

import errno
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio.to_thread

from open_agent.core.ids import MissionId, RunId
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import SERVER, KeptTree, Process, ProcessOwner, ProcessPort

KINDS = ("host", "wrapped")
WRAPPER = ("/usr/bin/nice", "-n", "1")
"""What the programs inside can tell that it was there: they are nicer."""


class WrappedProcesses:
    """Starts everything behind the wrapper; see `ProcessPort`."""

    def __init__(self, processes: ProcessPort) -> None:
        self._processes = processes

    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        owner: ProcessOwner = SERVER,
        stdin: bool = False,
    ) -> Process:
        """Start a program behind the wrapper, which would not say that there is none."""
        name, *rest = argv
        program = await anyio.to_thread.run_sync(_found, name, env.get("PATH", ""))
        if program is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", name)
        inside = [*WRAPPER, program, *rest]
        return await self._processes.start(inside, cwd=cwd, env=env, owner=owner, stdin=stdin)

    async def end_run(self, run_id: RunId) -> None:
        """As the port behind it."""
        await self._processes.end_run(run_id)

    async def end_mission(self, mission_id: MissionId) -> None:
        """As the port behind it."""
        await self._processes.end_mission(mission_id)

    async def list_kept(self, mission_id: MissionId | None = None) -> list[KeptTree]:
        """As the port behind it."""
        return await self._processes.list_kept(mission_id)

    async def end_kept(self, mission_id: MissionId, pid: int) -> bool:
        """As the port behind it."""
        return await self._processes.end_kept(mission_id, pid)

    async def close(self) -> None:
        """As the port behind it."""
        await self._processes.close()


def _found(name: str, search_path: str) -> str | None:
    program = name if "/" in name else shutil.which(name, path=search_path)
    return program if program and Path(program).exists() else None


class WrappedIsolation(HostIsolation):
    """`Isolation` behind the wrapper."""

    name = "wrapped"

    def __init__(
        self,
        processes: ProcessPort,
        environment: Mapping[str, str],
        programs: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(WrappedProcesses(processes), environment, programs)


def isolation_of(
    kind: str,
    processes: ProcessPort,
    environment: Mapping[str, str],
    programs: Mapping[str, str] | None = None,
) -> Isolation:
    """An isolation by its name."""
    made = WrappedIsolation if kind == "wrapped" else HostIsolation
    return made(processes, environment, programs)


def root_of(kind: str, folder: Path) -> Path:
    """A working directory below a folder; the wrapped one is reached by another way."""
    (folder / "work").mkdir()
    if kind == "host":
        return folder / "work"
    (folder / "inside").symlink_to(folder)
    return folder / "inside" / "work"
