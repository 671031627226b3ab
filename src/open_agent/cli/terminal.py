"""Where text becomes visible: colours, a line that says what goes on, and the two outputs.

What was asked for goes to standard output, everything about it to standard error. Nothing here
interprets text: pieces are shown as they are.
"""

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from io import TextIOWrapper

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.style import Style as RichStyle
from rich.text import Text

from open_agent.cli.rendering.facts import duration
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.rendering.wrapping import Wrapper
from open_agent.core.clock import Clock

PROGRESS_AFTER = 1.0
"""Seconds without anything new after which a line says what goes on."""
NARROWEST = 40
"""Columns below which lines are not broken between words."""
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

_STYLES: dict[Style, str] = {
    "plain": "none",
    "strong": "bold",
    "faint": "dim",
    "good": "bold green",
    "bad": "bold red",
    "warn": "yellow",
    "call": "bold cyan",
    "added": "green",
    "removed": "red",
    "hunk": "cyan",
}


class Terminal:
    """The two outputs of this process.

    Attributes:
        is_interactive: A person sees standard output and can type.
    """

    def __init__(self, clock: Clock) -> None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        self._clock = clock
        self._out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._styles = {name: RichStyle.parse(text) for name, text in _STYLES.items()}
        self._wrapper = Wrapper()
        self._held: list[Piece] | None = None
        self._has_progress = False
        self._is_at_line_start = True
        self._is_line_ended_early = False
        self._wrote_at = clock.monotonic()
        self._shows_progress = self._out.is_terminal and self._err.is_terminal
        self.is_interactive = self._out.is_terminal and sys.stdin.isatty()

    @property
    def width(self) -> int | None:
        """Columns, where there is a screen."""
        return self._out.width if self._out.is_terminal else None

    def show(self, pieces: Iterable[Piece]) -> None:
        """Put text on standard output, at once."""
        pieces = list(pieces)
        if self._held is not None:
            self._held += pieces
        elif pieces:
            self.clear_progress()
            self._is_at_line_start = pieces[-1].text.endswith("\n")
            if self._is_line_ended_early and pieces[0].text.startswith("\n"):
                pieces[0] = replace(pieces[0], text=pieces[0].text[1:])
            self._is_line_ended_early = False
            self._put(self._wrapped(self._wrapper, pieces, self._out))
            self._wrote_at = self._clock.monotonic()

    def print(self, text: str) -> None:
        """Put a line on standard output, as it is."""
        self.clear_progress()
        self._out.file.write(f"{text}\n")
        self._out.file.flush()

    def note(self, text: str, style: Style = "faint") -> None:
        """Tell something about what goes on, on standard error."""
        self.clear_progress()
        self._put(self._wrapper.flush())
        if not self._is_at_line_start and self._shows_progress:
            self._err.print()
            self._wrapper.begin_line()
            self._is_at_line_start = self._is_line_ended_early = True
        pieces = [Piece(neutral(text) + "\n", style)]
        self._err.print(self._text(self._wrapped(Wrapper(), pieces, self._err)), end="")

    def progress(self, activity: str, since: float) -> None:
        """Say what goes on, and since when, in a line that is replaced by whatever comes next."""
        now = self._clock.monotonic()
        is_quiet = now - self._wrote_at >= PROGRESS_AFTER
        if not (self._shows_progress and self._is_at_line_start and activity and is_quiet):
            return
        if self._held is not None:
            return
        self.clear_progress()
        sign = _SPINNER[int(now * 8) % len(_SPINNER)]
        span = f"({duration(int(now - since) or 1)})"
        text = Text(f"{sign} {activity}", self._styles["faint"])
        # Room for the time, and for the `^C` that a terminal echoes behind it.
        text.truncate(max(1, self._err.width - len(span) - 4), overflow="ellipsis")
        text.append(f" {span}")
        self._err.print(text, end="")
        self._err.file.flush()
        self._has_progress = True

    @contextmanager
    def holding(self) -> Generator[None]:
        """Keep standard output still while a question stands; what comes is shown afterwards."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            self.show(held)

    def clear_progress(self) -> None:
        """Take the line away that says what goes on."""
        if self._has_progress:
            self._has_progress = False
            self._err.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))

    def _wrapped(self, wrapper: Wrapper, pieces: list[Piece], screen: Console) -> list[Piece]:
        if not screen.is_terminal or screen.width < NARROWEST:
            return pieces
        return wrapper.wrap(pieces, screen.width)

    def _put(self, pieces: list[Piece]) -> None:
        if pieces:
            self._out.print(self._text(pieces), end="")
            self._out.file.flush()

    def _text(self, pieces: list[Piece]) -> Text:
        text = Text(tab_size=8)
        for piece in pieces:
            text.append(piece.text, self._styles[piece.style])
        return text
