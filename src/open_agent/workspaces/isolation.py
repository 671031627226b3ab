"""The port of isolation: how far what runs here can reach, for everything that starts anything.

Tools, backends and MCP servers get their workspaces and processes from it and from nowhere else,
so that a sandbox beside `host` changes none of them. `host.py` implements it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from open_agent.workspaces.base import Workspace
from open_agent.workspaces.processes import SERVER, Process, ProcessOwner


class Isolation(Protocol):
    """What surrounds the work: nothing (`host`), or a wall."""

    @property
    def name(self) -> str:
        """Which kind it is, as people choose it."""
        ...

    async def workspace(self, root: Path, *, is_made: bool = True) -> Workspace:
        """The workspace at an absolute path; `is_made` makes its directory when it is not there.

        A directory that is not there, or cannot be made, is for whoever works in it to find.
        """
        ...

    def environment(self) -> dict[str, str]:
        """What a program may know of the server's own environment; nothing of it is secret."""
        ...

    def program(self, name: str) -> str:
        """How to call a program that comes with us (`rg`), or any other by its name."""
        ...

    async def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        owner: ProcessOwner = SERVER,
        stdin: bool = False,
    ) -> Process:
        """Start a program that serves (an MCP server, OpenCode), with exactly this environment.

        See `ProcessPort.start`. Commands of a run are started by their workspace.
        """
        ...
