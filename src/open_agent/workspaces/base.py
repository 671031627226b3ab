"""The protocol of a workspace: a directory and the isolation around it.

Tools act on the machine through it and through nothing else, so that another isolation needs no
change in any of them.
"""

import io
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from open_agent.workspaces.processes import Process, ProcessOwner

T = TypeVar("T")

_KINDS = {
    stat.S_IFREG: "a regular file",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(mode: int) -> str:
    """What `st_mode` says that something is, in words."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a directory; a link is told by its target and not followed."""

    name: str
    is_directory: bool
    link_target: str | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """What is in a directory, by name; `is_cut` if there is more."""

    entries: tuple[Entry, ...]
    is_cut: bool = False


class Workspace(Protocol):
    """Where the agent's side effects happen.

    Paths given to its methods come from `resolve`. What cannot be done is an `OSError`.
    """

    @property
    def root(self) -> Path:
        """The working directory, absolute."""
        ...

    def resolve(self, path: str) -> Path:
        """An absolute path: relative ones start at the root, `~` at the home directory.

        Raises:
            OSError: No file can have this name.
        """
        ...

    def environment(self) -> dict[str, str]:
        """What processes get as their environment; nothing of it is secret."""
        ...

    def program(self, name: str) -> str:
        """How to call a program that comes with us (`rg`), or any other by its name."""
        ...

    async def start(
        self,
        argv: Sequence[str],
        *,
        owner: ProcessOwner,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
    ) -> Process:
        """Start a program in `cwd`, by default the root, with `env` added to its environment.

        See `ProcessPort.start`.
        """
        ...

    async def stat(self, path: Path) -> os.stat_result:
        """What is known of a file, links followed."""
        ...

    async def read_with(self, path: Path, reader: Callable[[io.FileIO], T]) -> T:
        """Open a regular file and return what `reader` makes of it, in a thread.

        Anything but a regular file is refused, and none can block.
        """
        ...

    async def write(self, path: Path, data: bytes) -> None:
        """Replace a file's content, whole or not at all; its mode is kept, parents are made."""
        ...

    async def delete(self, path: Path) -> None:
        """Delete a file or a link."""
        ...

    async def list(self, path: Path, *, limit: int) -> Entries:
        """What is in a directory. Of a larger one, any `limit` entries."""
        ...
