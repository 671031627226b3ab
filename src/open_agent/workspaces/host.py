"""No isolation: what runs can do whatever our user can, which is what the machine's owner wants."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.processes import SERVER, Process, ProcessOwner, ProcessPort


class HostIsolation:
    """Work on the machine itself; see `Isolation`.

    Args:
        processes: What starts processes.
        environment: What they may know of the server's own environment.
        programs: Where programs that come with us are, by name.
    """

    name = "host"

    def __init__(
        self,
        processes: ProcessPort,
        environment: Mapping[str, str],
        programs: Mapping[str, str] | None = None,
    ) -> None:
        self._processes = processes
        self._environment = dict(environment)
        self._programs = dict(programs or {})

    async def workspace(self, root: Path, *, is_made: bool = True) -> LocalWorkspace:
        """The workspace at a path; see `Isolation`."""
        if is_made:
            with suppress(OSError):
                await to_thread.run_sync(lambda: root.mkdir(parents=True, exist_ok=True))
        return LocalWorkspace(root, self._processes, self._environment, self._programs)

    def environment(self) -> dict[str, str]:
        """What a program may know."""
        return dict(self._environment)

    def program(self, name: str) -> str:
        """How to call a program."""
        return self._programs.get(name, name)

    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        owner: ProcessOwner = SERVER,
        stdin: bool = False,
    ) -> Process:
        """Start a program that serves; see `Isolation`."""
        return await self._processes.start(argv, cwd=cwd, env=env, owner=owner, stdin=stdin)
