"""Tool calls: what was called, what came of it, and how it ended."""

import signal
from collections.abc import Mapping
from typing import Any

from open_agent.cli.rendering.facts import count, duration, size
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.output import Folding, fold_text
from open_agent.cli.rendering.pieces import Piece, Sheet, Style
from open_agent.events.model.tool import BackgroundProcess, ToolOutcome, ToolReturned

COMMAND = "run_command"
LONGEST_VALUE = 100
"""Characters of an argument in a heading."""

_ENDS: dict[ToolOutcome, tuple[str, Style]] = {
    "ok": ("✓", "good"),
    "failed": ("✗", "bad"),
    "denied": ("✗ denied ·", "bad"),
    "unknown": ("? outcome unknown ·", "warn"),
    "cancelled": ("■ cancelled ·", "warn"),
}


def heading(name: str, arguments: Mapping[str, Any]) -> list[Piece]:
    """What is called: a command as one would type it, any other tool with its arguments."""
    command = arguments.get("command")
    if name != COMMAND or not isinstance(command, str):
        keys = sorted(arguments, key=lambda key: key != "path")
        parts = [_argument(key, arguments[key]) for key in keys]
        return [Piece(f"• {neutral(name)}", "call"), Piece("".join(f" {part}" for part in parts))]
    first, *more = neutral(command).strip().split("\n")
    pieces = [Piece("$ ", "call"), Piece(first, "strong")]
    pieces += [Piece(f"\n  {line}", "strong") for line in more]
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
        sheet.line(Piece(f"  │ {line}", "faint"))


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
        sheet.line(Piece("  "), Piece(line, _diff_style(line)))
    _left_out(sheet, hidden, full)
    for line in tail:
        sheet.line(Piece("  "), Piece(line, _diff_style(line)))


def show_end(sheet: Sheet, event: ToolReturned, kept_in: str) -> None:
    """Show how a call ended, and what it left behind; long outputs lie in `kept_in`."""
    sign, style = _ENDS[event.outcome]
    code = event.exit_code
    if event.outcome == "ok" and code:
        sign, style = "✗", "bad"
    words: list[str] = []
    if code is not None:
        words.append(_exit(code))
    words.append(duration(event.duration_ms / 1000))
    sheet.line(Piece(f"  {sign} ", style), Piece(" · ".join(words), "faint"))
    if event.spilled is not None:
        whole = f"the whole output, {size(event.spilled.size)}, is in the data directory:"
        sheet.line(Piece(f"    {whole} {kept_in}/{event.spilled.digest}", "faint"))
    for process in event.background:
        sheet.line(Piece(f"    {_background(process)}", "warn"))


def _argument(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return f"{key}={_cut(neutral(str(value)))}"
    text = neutral(value)
    if "\n" in text.strip("\n"):
        return f"{key}: {count(text.strip(chr(10)).count(chr(10)) + 1, 'line')}"
    text = _cut(text.strip("\n"))
    return text if key == "path" else f"{key}={text}"


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
