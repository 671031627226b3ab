"""Listing a directory as a tree."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.missing import not_found
from open_agent.tools.plain_text import from_file
from open_agent.workspaces.base import Entry, Workspace

SHOWN = 1_000
"""Entries in all."""
SHOWN_BELOW = 100
"""Entries of one directory below the first."""
READ = 20_000
"""Names that are read of one directory, to be sorted."""
DEEPEST = 20

NOT_ENTERED = frozenset(
    {
        ".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", "venv", ".tox",
        ".mypy_cache", ".pytest_cache", ".ruff_cache",
    }
)  # fmt: skip


@tool(effect=Effect.READ, timeout=20)
async def list_directory(ctx: ToolContext, path: str = ".", max_depth: int = 3) -> str:
    """List a directory as a tree; directories end with `/`.

    Args:
        path: Absolute, or relative to the working directory.
        max_depth: How many levels to show.
    """
    folder = ctx.workspace.resolve(path)
    top = Folder(folder, depth=1)
    try:
        await _fill(ctx.workspace, top, SHOWN)
    except FileNotFoundError:
        raise ToolFailed(await not_found(ctx, path)) from None
    except NotADirectoryError:
        raise ToolFailed(f"{folder} is a file. Read it with read_file.") from None
    if not top.entries:
        return "The directory is empty."
    await _fill_below(ctx.workspace, top, min(max_depth, DEEPEST))
    return "\n".join(top.lines())


@dataclass
class Folder:
    """A directory in the tree."""

    path: Path
    depth: int
    entries: tuple[Entry, ...] = ()
    hidden: str = ""
    """What is said of entries that are not shown."""
    below: dict[str, "Folder"] = field(default_factory=dict[str, "Folder"])

    def lines(self) -> list[str]:
        """The directory as lines of text."""
        indent = "  " * (self.depth - 1)
        shown: list[str] = []
        for entry in self.entries:
            mark = "/" if entry.is_directory else ""
            target = f" -> {entry.link_target}" if entry.link_target else ""
            shown.append(indent + from_file(f"{entry.name}{mark}{target}".replace("\n", "\\n")))
            if folder := self.below.get(entry.name):
                shown += folder.lines()
        return [*shown, f"{indent}[… {self.hidden}]"] if self.hidden else shown


async def _fill(workspace: Workspace, folder: Folder, limit: int) -> None:
    found = await workspace.list(folder.path, limit=READ)
    folder.entries = found.entries[:limit]
    hidden = len(found.entries) - len(folder.entries)
    if found.is_cut:
        folder.hidden = f"more than {hidden:,} more; find them with search_files"
    elif hidden:
        folder.hidden = f"{hidden:,} more; list the directory itself to see them"


async def _fill_below(workspace: Workspace, top: Folder, max_depth: int) -> None:
    """Level by level, so that a deep directory does not hide its neighbours."""
    room = SHOWN - len(top.entries)
    waiting = deque([top])
    while waiting:
        folder = waiting.popleft()
        if folder.depth >= max_depth:
            continue
        for entry in folder.entries:
            if not entry.is_directory or entry.name in NOT_ENTERED:
                continue
            below = Folder(folder.path / entry.name, folder.depth + 1)
            folder.below[entry.name] = below
            if room <= 0:
                below.hidden = "not listed: the tree is too large; list it itself"
                continue
            try:
                await _fill(workspace, below, min(room, SHOWN_BELOW))
            except OSError as error:
                below.hidden = error.strerror or "not readable"
            room -= len(below.entries)
            waiting.append(below)
