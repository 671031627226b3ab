"""Writing a whole file."""

import contextlib
import io

from anyio import to_thread

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.diffing import unified_diff
from open_agent.tools.plain_text import from_file

COMPARED_BYTES = 1024 * 1024
"""Larger files are replaced without a diff."""


@tool(effect=Effect.WRITE, timeout=30)
async def write_file(ctx: ToolContext, path: str, content: str) -> ToolOutput:
    """Create a file or replace all of it. To change part of a file use `edit_file`.

    Args:
        path: Absolute, or relative to the working directory. Missing directories are made.
        content: All that the file is to contain.
    """
    file = ctx.workspace.resolve(path)
    try:
        data = content.encode()
    except UnicodeEncodeError:
        raise ToolFailed("The content holds half of a character (a lone surrogate).") from None
    before: bytes | None = None
    with contextlib.suppress(FileNotFoundError):
        before = await ctx.workspace.read_with(file, _read)
    await ctx.workspace.write(file, data)
    if before is None:
        said = f"Created {file}: {len(data):,} bytes, {_lines(content)} lines."
    else:
        said = f"Replaced {file}: {len(data):,} bytes, {_lines(content)} lines."
    diff = await to_thread.run_sync(_diff, before or b"", content, path, abandon_on_cancel=True)
    return ToolOutput(said, diff=diff)


def _read(file: io.FileIO) -> bytes:
    """The beginning of a file, a byte more than is compared."""
    return file.read(COMPARED_BYTES + 1)


def _diff(before: bytes, after: str, path: str) -> str | None:
    """What changed, unless it is too large or was not text."""
    if len(before) > COMPARED_BYTES or len(after) > COMPARED_BYTES:
        return None
    try:
        return from_file(unified_diff(before.decode(), after, path))
    except UnicodeDecodeError:
        return None


def _lines(content: str) -> str:
    has_loose_end = bool(content) and not content.endswith("\n")
    return f"{content.count(chr(10)) + has_loose_end:,}"
