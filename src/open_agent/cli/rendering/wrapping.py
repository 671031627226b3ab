"""Breaks lines between words so that they fit a screen, as text comes in pieces.

A word is held back until it has ended, since only then is it known where it goes. What a broken
line goes on with is under the beginning of its own text: behind its sign, its indentation, or
what its piece says.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.cells import cell_len, chop_cells

from open_agent.cli.rendering.pieces import Piece, Style

TAB = 8

_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60"
    "\uffe0-\uffe6\U0001f300-\U0001faff\U00020000-\U0003fffd"
)
"""Two columns each; writing that has them has no spaces, and may be broken anywhere."""
_PART = re.compile(rf"\n|[ \t]+|[{_WIDE}]|[^\n \t{_WIDE}]+")
_BULLET = re.compile(r"[^\w\s]|\d{1,3}[.)]")


class Wrapper:
    """Where text stands on a screen, and the word that has not ended."""

    def __init__(self) -> None:
        self._column = 0
        self._hang: str | None = ""
        self._given: str | None = ""
        self._blanks = ""
        self._word: list[Piece] = []
        self._has_begun = False
        self._width = 0

    def wrap(self, pieces: Iterable[Piece], width: int) -> list[Piece]:
        """The pieces, with line breaks where the screen ends; all but an unfinished word."""
        self._width = width
        return _joined(out for piece in pieces for out in self._take(piece))

    def flush(self) -> list[Piece]:
        """The unfinished word, because something else comes now."""
        return _joined(self._place())

    def begin_line(self) -> None:
        """Somebody else has begun a new line."""
        self._column, self._blanks, self._has_begun = 0, "", False

    def _take(self, piece: Piece) -> Iterator[Piece]:
        for part in _PART.findall(piece.text):
            if not self._has_begun:
                self._begin(piece.hang)
            if part == "\n":
                yield from self._place()
                yield Piece("\n", piece.style)
                self.begin_line()
            elif part[0] in " \t":
                yield from self._place()
                self._blanks += self._expanded(part)
            elif len(part) == 1 and cell_len(part) == 2:
                yield from self._place()
                self._word = [Piece(part, piece.style)]
                yield from self._place()
            else:
                self._word.append(Piece(part, piece.style))

    def _begin(self, hang: str | None) -> None:
        self._has_begun = True
        self._given = self._hang = hang

    def _expanded(self, blanks: str) -> str:
        column = self._column + len(self._blanks)
        for char in blanks:
            column += TAB - column % TAB if char == "\t" else 1
        return " " * (column - self._column - len(self._blanks))

    def _place(self) -> Iterator[Piece]:
        """Put the word where it belongs: on this line, on the next, or over several."""
        if not self._word:
            return
        word, self._word = self._word, []
        blanks, self._blanks = self._blanks, ""
        text = "".join(piece.text for piece in word)
        if self._given == "":
            self._find_hang(blanks, text)
        cells = cell_len(text)
        if self._hang is not None and self._is_full(len(blanks) + cells):
            blanks = ""
            yield from self._break()
        elif self._hang is not None and cells <= self._width - self._column:
            # So deep an indentation that the word does not fit behind it.
            blanks = blanks[: self._width - self._column - cells]
        yield from self._put(Piece(blanks, word[0].style))
        is_too_long = bool(self._given) and self._column + cells > self._width
        for piece in word:
            yield from self._spread(piece) if is_too_long else self._put(piece)

    def _find_hang(self, blanks: str, first: str) -> None:
        """Let the line go on behind its indentation, and behind its sign when it has one."""
        if self._column == 0:
            bullet = len(first) + 1 if _BULLET.fullmatch(first) else 0
            self._hang = " " * (len(blanks) + bullet)
            if len(self._hang) > self._width // 2:
                self._hang = ""

    def _is_full(self, cells: int) -> bool:
        return self._column + cells > self._width and self._column > cell_len(self._hang or "")

    def _break(self) -> Iterator[Piece]:
        hang = self._hang or ""
        yield Piece(f"\n{hang}", "faint")
        self._column = cell_len(hang)

    def _put(self, piece: Piece) -> Iterator[Piece]:
        if piece.text:
            self._column += cell_len(piece.text)
            if self._column > self._width:  # the terminal has begun a line by itself
                self._column = (self._column - 1) % self._width + 1
            yield piece

    def _spread(self, piece: Piece) -> Iterator[Piece]:
        """A word that is longer than a line, over as many as it takes."""
        rest = piece.text
        while rest:
            room = self._width - self._column
            head = (chop_cells(rest[: 4 * room], room) or [rest])[0] if room > 1 else ""
            yield from self._put(Piece(head, piece.style))
            rest = rest[len(head) :]
            if rest:
                yield from self._break()


def _joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The same text in as few pieces as its styles allow."""

    def style(piece: Piece) -> Style:
        return piece.style

    groups = groupby(pieces, key=style)
    return [Piece("".join(piece.text for piece in group), found) for found, group in groups]
