"""Changing part of a file: exact replacement, so that what is changed is what was read."""

import difflib
import io
import re
from functools import partial
from typing import NamedTuple

from anyio import to_thread

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.diffing import unified_diff
from open_agent.tools.missing import not_found
from open_agent.tools.plain_text import from_file, is_binary

LARGEST = 10 * 1024 * 1024
COMPARED_LINES = 20_000
COMPARED_CHARACTERS = 300
SHOWN_PLACES = 8
SHOWN_AROUND = 3


@tool(effect=Effect.WRITE, timeout=30)
async def edit_file(
    ctx: ToolContext, path: str, old_text: str, new_text: str, replace_all: bool = False
) -> ToolOutput:
    """Replace a piece of text in a file by another. Read the file first.

    Args:
        path: Absolute, or relative to the working directory.
        old_text: What to replace, exactly as it is in the file, without line numbers. It must
            occur once, so take in enough lines around it.
        new_text: What to put in its place.
        replace_all: Replace every occurrence.
    """
    file = ctx.workspace.resolve(path)
    try:
        data = await ctx.workspace.read_with(file, _read)
    except FileNotFoundError:
        raise ToolFailed(await not_found(ctx, path)) from None
    # Comparing may take a second or two for the largest files.
    change = await to_thread.run_sync(
        partial(_change, data, old_text, new_text, replace_all=replace_all, path=path),
        abandon_on_cancel=True,
    )
    await ctx.workspace.write(file, change.after)
    places = "one place" if change.places == 1 else f"{change.places} places"
    return ToolOutput(f"Changed {file} in {places}.\n{_shown(change.diff)}", diff=change.diff)


class _Change(NamedTuple):
    after: bytes
    places: int
    diff: str


def _change(data: bytes, old: str, new: str, *, replace_all: bool, path: str) -> _Change:
    # Bytes that are no text pass through unchanged.
    before = data.decode("utf-8", "surrogateescape")
    if "\r\n" in before and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
    after = _replace(before, old, new, replace_all=replace_all)
    try:
        changed = after.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ToolFailed("`new_text` holds half of a character (a lone surrogate).") from None
    diff = from_file(unified_diff(before, after, path).replace("\r\n", "\n"))
    return _Change(changed, before.count(old), diff)


def _read(file: io.FileIO) -> bytes:
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ToolFailed(
            f"The file has more than {LARGEST:,} bytes. Change it with a command, such as sed."
        )
    if is_binary(data[:8192]):
        raise ToolFailed("This is a binary file. Change it with a command.")
    return data


def _replace(before: str, old: str, new: str, *, replace_all: bool) -> str:
    if not old:
        raise ToolFailed("`old_text` is empty. To write a whole file use write_file.")
    if old == new:
        raise ToolFailed("`old_text` and `new_text` are the same: nothing would change.")
    count = before.count(old)
    if count == 0:
        raise ToolFailed(f"`old_text` is not in the file. {_nearest(before, old)}")
    if count > 1 and not replace_all:
        raise ToolFailed(
            f"`old_text` occurs {count} times, in lines {_places(before, old)}. Take in more of the"
            " lines around the one you mean, or set replace_all."
        )
    return before.replace(old, new)


def _places(text: str, old: str) -> str:
    found: list[str] = []
    position = text.find(old)
    while position >= 0 and len(found) < SHOWN_PLACES:
        found.append(str(text.count("\n", 0, position) + 1))
        position = text.find(old, position + len(old))
    return ", ".join(found) + (" …" if position >= 0 else "")


def _nearest(text: str, old: str) -> str:
    """Where the text that was meant may be, and why it does not match."""
    wanted = [line.strip()[:COMPARED_CHARACTERS] for line in old.splitlines()]
    if all(re.match(r"\d+\|", line) for line in wanted if line):
        return "Leave out the line numbers that read_file puts before each line."
    lines = text.splitlines()[:COMPARED_LINES]
    stripped = [line.strip()[:COMPARED_CHARACTERS] for line in lines]
    while wanted and not wanted[0]:
        wanted.pop(0)
    if not wanted:
        return "It is white space; take in a line with text."
    for number in range(len(stripped) - len(wanted) + 1):
        if stripped[number : number + len(wanted)] == wanted:
            return (
                "The same lines are there with other white space:"
                f"\n{_excerpt(lines, number, number + len(wanted))}"
            )
    near = difflib.get_close_matches(wanted[0], dict.fromkeys(stripped), n=1, cutoff=0.6)
    if not near:
        return "No line is like its first line. Read the file again: it may have changed."
    number = stripped.index(near[0])
    end = min(number + len(wanted), len(lines))
    return f"The nearest lines are:\n{_excerpt(lines, number, end + SHOWN_AROUND)}"


def _excerpt(lines: list[str], start: int, end: int) -> str:
    end = min(end, start + 12, len(lines))
    shown = (f"{number + 1:>4}| {lines[number][:300]}" for number in range(start, end))
    return from_file("\n".join(shown))


def _shown(diff: str) -> str:
    """The diff for the model, which knows what it changed: where it is, and what is around it."""
    lines = diff.splitlines()[2:]
    if len(lines) > 60:
        lines = [*lines[:40], f"[… {len(lines) - 40} more lines of diff]"]
    return "\n".join(line[:500] for line in lines)
