"""Styled text on its way to a reader, and the sheet it is laid out on."""

from dataclasses import dataclass
from typing import Literal

Style = Literal[
    "plain", "strong", "faint", "good", "bad", "warn", "call", "added", "removed", "hunk"
]
"""What a piece of text is; `terminal.py` says how that looks."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text in one style. Line breaks are part of it; everything else in it is harmless."""

    text: str
    style: Style = "plain"
    hang: str | None = ""
    """What the next lines begin with when a line that this piece begins is too long for the
    screen: nothing means under its own text; none means that it is not broken, for commands that
    somebody may copy."""


class Sheet:
    """Lays text out from top to bottom; what has been taken from it is never changed."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._is_empty = True
        self._wants_gap = False
        self.is_at_line_start = True

    def take(self) -> list[Piece]:
        """What was laid out since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def gap(self) -> None:
        """Leave one blank line before what comes next."""
        self._wants_gap = True

    def line(self, *pieces: Piece) -> None:
        """A line, or several, of its own."""
        self._break_line()
        for piece in pieces:
            self._put(piece)
        self._break_line()

    def text(self, text: str, style: Style = "plain") -> None:
        """Text that goes on where the last left off."""
        if not text:
            return
        if self.is_at_line_start and self._wants_gap:
            text = text.lstrip("\n")
        if text:
            self._put(Piece(text, style))

    def end_line(self) -> None:
        """Whatever comes next begins on a line of its own."""
        self._break_line()

    def _put(self, piece: Piece) -> None:
        if not piece.text:
            return
        if self._wants_gap:
            self._break_line()
            if not self._is_empty:
                self._pieces.append(Piece("\n"))
            self._wants_gap = False
        self._pieces.append(piece)
        self._is_empty = False
        self.is_at_line_start = piece.text.endswith("\n")

    def _break_line(self) -> None:
        if not self.is_at_line_start:
            self._pieces.append(Piece("\n"))
            self.is_at_line_start = True


def plain(pieces: list[Piece]) -> str:
    """The text alone."""
    return "".join(piece.text for piece in pieces)
