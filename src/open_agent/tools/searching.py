"""Where to search, and ripgrep as the one that does it."""

import stat
from dataclasses import dataclass
from pathlib import Path

from open_agent.tools.definition import ToolContext, ToolFailed
from open_agent.tools.missing import not_found
from open_agent.tools.plain_text import decode, from_file
from open_agent.workspaces.base import kind_of

SECONDS = 15.0
"""For one search; what was found until then is shown."""

RIPGREP = ("rg", "--no-config", "--color=never", "--hidden", "--no-messages")


@dataclass(frozen=True, slots=True)
class Place:
    """What to search, and how to name what is found there."""

    folder: Path
    target: str
    """Relative to the folder: all of it, or one file in it."""
    prefix: str
    options: tuple[str, ...]

    @property
    def is_file(self) -> bool:
        """It is one file."""
        return self.target != "./"

    def name(self, found: bytes) -> str:
        """A path that ripgrep gave, as the other tools take it."""
        return from_file(self.prefix + decode(found.removeprefix(b"./")).replace("\n", "\\n"))


async def place_of(ctx: ToolContext, path: str) -> Place:
    """The place that `path` names.

    Raises:
        ToolFailed: There is nothing, or neither a directory nor a regular file: reading a pipe or
            a device may never end.
    """
    full = ctx.workspace.resolve(path)
    try:
        mode = (await ctx.workspace.stat(full)).st_mode
    except FileNotFoundError:
        raise ToolFailed(await not_found(ctx, path)) from None
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise ToolFailed(
            f"{path} is {kind_of(mode)}, not a directory or a regular file, and cannot be searched."
        )
    folder, target = (full, "./") if stat.S_ISDIR(mode) else (full.parent, f"./{full.name}")
    root = ctx.workspace.root
    inside = folder.relative_to(root) if folder.is_relative_to(root) else folder
    prefix = "" if inside == Path() else f"{inside}/".replace("//", "/")
    # From the root everything that is mounted would be searched: other disks, the kernel's own.
    options = ("--one-file-system",) if full == Path("/") else ()
    return Place(folder, target, prefix, options)
