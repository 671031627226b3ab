"""Searching for files by name."""

import re

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.programs import first_lines
from open_agent.tools.searching import RIPGREP, SECONDS, place_of

SHOWN = 100
TAKEN = 5_000
"""Matches that are looked at to show the best of them."""

SELDOM_MEANT = frozenset(
    {
        ".git", "node_modules", ".venv", "venv", "site-packages", "__pycache__", ".tox", ".cache",
        "vendor", "target", "dist", "build",
    }
)  # fmt: skip
"""Directories whose files are shown last."""


@tool(effect=Effect.READ, timeout=SECONDS + 10)
async def search_files(ctx: ToolContext, pattern: str, path: str = ".") -> str:
    """Find files by name, fast, anywhere on the machine. Upper and lower case are the same.

    Args:
        pattern: Part of a name, or a glob such as `*.test.ts` or `src/**/*.{c,h}`.
        path: The directory to search, hidden and ignored files included.
    """
    if not pattern:
        raise ToolFailed("The pattern is empty. To see what is in a directory use list_directory.")
    place = await place_of(ctx, path)
    if place.is_file:
        raise ToolFailed(f"{path} is a file, not a directory.")
    globs = [f"--iglob={glob}" for glob in globs_of(pattern)]
    argv = [*RIPGREP, "--files", "--no-ignore", "--null", *globs, *place.options]
    found = await first_lines(
        ctx, argv, cwd=place.folder, limit=TAKEN, seconds=SECONDS, separator=b"\0"
    )
    if not found.lines:
        if found.complaint:
            raise ToolFailed(f"The search could not be made: {found.complaint}")
        if found.is_cut:
            return f"Nothing found in {SECONDS:.0f} seconds. Narrow the path and search again."
        return f"No files matching {pattern[:200]!r} found."
    names = sorted((place.name(line) for line in found.lines), key=_rank)
    shown = names[:SHOWN]
    if len(names) > SHOWN or found.is_cut:
        count = f"more than {len(names):,}" if found.is_cut else f"{len(names):,}"
        shown.append(f"[{len(shown)} of {count} files; narrow the pattern or the path]")
    return "\n".join(shown)


def globs_of(pattern: str) -> list[str]:
    """What to give ripgrep for a pattern that may be a part of a name, a glob, or either."""
    if "*" in pattern or "?" in pattern:
        return [pattern]
    literal = re.sub(r"([\[\]{}!\\])", r"\\\1", pattern.lstrip("/"))
    parts = [f"*{literal}*"]
    if "/" in literal:
        # With a slash a glob begins at the top.
        parts = [f"**/*{literal}*", f"**/*{literal}*/**"]
    # `[id].tsx` is a name before it is a set of characters.
    is_glob = re.search(r"\[.+\]|\{.*\}", pattern)
    return [*parts, pattern] if is_glob else parts


def _rank(name: str) -> tuple[bool, str]:
    return (not SELDOM_MEANT.isdisjoint(name.split("/")), name)
