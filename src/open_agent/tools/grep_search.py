"""Searching in files."""

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.plain_text import decode, from_file
from open_agent.tools.programs import first_lines
from open_agent.tools.searching import RIPGREP, SECONDS, Place, place_of

SHOWN = 100
SHOWN_OF_A_LINE = 400


@tool(effect=Effect.READ, timeout=SECONDS + 10)
async def grep_search(
    ctx: ToolContext,
    pattern: str,
    path: str = ".",
    file_pattern: str | None = None,
    case_sensitive: bool = False,
) -> str:
    """Search file contents for a regular expression, fast, anywhere on the machine.

    Args:
        pattern: As ripgrep takes it (no look-around, no backreferences).
        path: A directory or a file. What .gitignore names is searched only if named here.
        file_pattern: Only in files like `*.py` or `src/**/*.{ts,tsx}`.
        case_sensitive: Whether `a` differs from `A`.
    """
    place = await place_of(ctx, path)
    argv = [
        *RIPGREP,
        "--null",
        "--line-number",
        "--no-heading",
        "--with-filename",
        f"--max-columns={SHOWN_OF_A_LINE}",
        "--max-columns-preview",
        "--glob=!.git",
        *([f"--glob={file_pattern}"] if file_pattern else []),
        *([] if case_sensitive else ["--ignore-case"]),
        *place.options,
        f"--regexp={pattern}",
        "--",
        place.target,
    ]
    found = await first_lines(ctx, argv, cwd=place.folder, limit=SHOWN + 1, seconds=SECONDS)
    if not found.lines:
        if found.complaint:
            raise ToolFailed(f"The search could not be made: {found.complaint}")
        return _nothing(pattern, place, is_cut=found.is_cut)
    shown = sorted(_matches(found.lines)[:SHOWN], key=lambda line: line.partition(b"\0")[0])
    lines = [_show(line, place) for line in shown]
    if len(found.lines) > SHOWN:
        lines.append(f"[only the first {SHOWN} matches; narrow the pattern or the path for others]")
    elif found.is_cut:
        lines.append(f"[stopped after {SECONDS:.0f} seconds; narrow the path for the rest]")
    return "\n".join(lines)


def _matches(lines: list[bytes]) -> list[bytes]:
    """Put together again what a line feed in a file's name has split."""
    whole: list[bytes] = []
    begun = b""
    for line in lines:
        if b"\0" in line:
            whole.append(begun + line)
            begun = b""
        else:
            begun += line + b"\n"
    return whole


def _show(line: bytes, place: Place) -> str:
    path, _, match = line.partition(b"\0")
    shown = from_file(decode(match.rstrip(b"\r")))
    return f"{place.name(path)}:{shown}"


def _nothing(pattern: str, place: Place, *, is_cut: bool) -> str:
    if is_cut:
        return f"Nothing found in {SECONDS:.0f} seconds. Narrow the path and search again."
    hint = "" if place.is_file else " Files that .gitignore names were not searched."
    return f"No matches for {pattern[:200]!r}.{hint}"
