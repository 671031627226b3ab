"""Tool calls: what was called, what came of it, and how it ended."""

import re
import signal
from collections.abc import Mapping
from typing import Any, cast

import pydantic_core

from open_agent.cli.rendering.facts import count, duration, size
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.output import Folding, fold_text
from open_agent.cli.rendering.pieces import Piece, Sheet, Style
from open_agent.events.model.tool import BackgroundProcess, ToolOutcome, ToolReturned

COMMANDS = frozenset({"run_command", "bash"})
"""Tools that run a command, ours and other backends'."""
PATHS = ("path", "filePath")
"""Arguments that say of themselves what they are."""
LONGEST_VALUE = 100
"""Characters of an argument in a heading."""
SHOWN_BY_A_DIFF = {
    "edit_file": ("old_text", "new_text"),
    "write_file": ("content",),
    "edit": ("oldString", "newString"),
    "write": ("content",),
}
"""Arguments that a heading has no need of, by tool."""

_ENDS: dict[ToolOutcome, tuple[str, Style]] = {
    "ok": ("✓", "good"),
    "failed": ("✗", "bad"),
    "denied": ("✗ denied", "bad"),
    "unknown": ("? outcome unknown", "warn"),
    "cancelled": ("■ cancelled", "warn"),
}
_GUTTER = "  │ "
_NEEDS_QUOTES = re.compile(r'[\s"=]|^$')


def heading(name: str, arguments: Mapping[str, Any]) -> list[Piece]:
    """What is called: a command as one would type it, any other tool with its arguments."""
    command = arguments.get("command")
    if name not in COMMANDS or not isinstance(command, str):
        unneeded = SHOWN_BY_A_DIFF.get(name, ())
        keys = [key for key in arguments if key not in unneeded]
        keys.sort(key=lambda key: key not in PATHS)
        parts = [_argument(key, arguments[key]) for key in keys]
        return [Piece(f"• {neutral(name)}", "call"), Piece("".join(f" {part}" for part in parts))]
    first, *more = neutral(command).strip().split("\n")
    pieces = [Piece("$ ", "call", None), Piece(first, "strong")]
    pieces += [Piece(f"\n  {line}", "strong", None) for line in more]
    if arguments.get("cwd"):
        pieces.append(Piece(f"  (in {neutral(str(arguments['cwd']))})", "faint"))
    return pieces


def brief(name: str, arguments: Mapping[str, Any]) -> str:
    """The call in a few words, for a line that says what goes on."""
    first = "".join(piece.text for piece in heading(name, arguments)).partition("\n")[0]
    return first if len(first) <= LONGEST_VALUE else first[: LONGEST_VALUE - 1] + "…"


def show_text(sheet: Sheet, text: str, folding: Folding, full: str) -> None:
    """Show what a tool answered."""
    show_folded(sheet, fold_text(text.strip("\n"), folding), full)


def show_lines(sheet: Sheet, lines: list[str]) -> None:
    """Show lines of output."""
    for line in lines:
        sheet.line(Piece(f"{_GUTTER}{line}", "faint", _GUTTER))


def show_attempt(sheet: Sheet, name: str, arguments: Mapping[str, Any]) -> None:
    """Show what a call would have changed, where no diff shows it."""
    parts = [
        _argument(key, arguments[key]) for key in SHOWN_BY_A_DIFF.get(name, ()) if key in arguments
    ]
    if parts:
        sheet.line(Piece(f"  {' '.join(parts)}", "faint"))


def show_folded(sheet: Sheet, parts: tuple[list[str], int, list[str]], full: str) -> None:
    """Show the beginning and the end of an output, and how much lies between."""
    head, hidden, tail = parts
    show_lines(sheet, head)
    _left_out(sheet, hidden, full)
    show_lines(sheet, tail)


def show_diff(sheet: Sheet, diff: str, folding: Folding, full: str) -> None:
    """Show what a tool changed in a file."""
    head, hidden, tail = fold_text(diff.strip("\n"), folding)
    for line in head:
        sheet.line(Piece(f"  {line}", _diff_style(line), "    "))
    _left_out(sheet, hidden, full)
    for line in tail:
        sheet.line(Piece(f"  {line}", _diff_style(line), "    "))


def show_end(sheet: Sheet, event: ToolReturned, kept_in: str) -> None:
    """Show how a call ended, and what it left behind; long outputs lie in `kept_in`."""
    sign, style = _ENDS[event.outcome]
    code = event.exit_code
    if event.outcome == "ok" and code:
        sign, style = "✗", "bad"
    words: list[str] = []
    if code is not None:
        words.append(_exit(code))
    if event.duration_ms or event.outcome in {"ok", "failed"}:  # else nobody measured it
        words.append(duration(event.duration_ms / 1000))
    mark = " · " if " " in sign else " "
    sheet.line(Piece(f"  {sign}", style), *[Piece(mark + " · ".join(words), "faint")][: len(words)])
    if event.spilled is not None:
        whole = f"the whole output, {size(event.spilled.size)}, is in the data directory:"
        sheet.line(Piece(f"    {whole} {kept_in}/{event.spilled.digest}", "faint"))
    for process in event.background:
        sheet.line(Piece(f"    {_background(process)}", "warn"))


def _argument(key: str, value: Any) -> str:
    text = neutral(_written(value)).strip("\n")
    if isinstance(value, str):
        if "\n" in text:
            return f"{key}: {count(text.count(chr(10)) + 1, 'line')}"
        if _NEEDS_QUOTES.search(text):
            text = '"' + text.replace('"', '\\"') + '"'
    return _cut(text) if key in PATHS else f"{key}={_cut(text)}"


def _written(value: Any) -> str:
    """A value as one would type it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        items = [_written(item) for item in cast("list[Any]", value)]
        if not any(_NEEDS_QUOTES.search(item) or "," in item for item in items):
            return ",".join(items)
    return pydantic_core.to_json(value, inf_nan_mode="strings").decode()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"ended by signal {-code}"


def _background(process: BackgroundProcess) -> str:
    until = "and is kept" if process.is_kept else "and ends with the run"
    return f"still runs {until}: {process.pid} {_cut(neutral(process.command))}".replace("\n", " ")


def _left_out(sheet: Sheet, hidden: int, full: str) -> None:
    if hidden:
        sheet.line(Piece(f"  … {count(hidden, 'line')} left out; {full}", "faint"))


def _diff_style(line: str) -> Style:
    if line.startswith(("+++", "---")):
        return "strong"
    if line.startswith("@@"):
        return "hunk"
    if line.startswith("+"):
        return "added"
    return "removed" if line.startswith("-") else "plain"
