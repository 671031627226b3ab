"""Rows in columns that line up, on a screen of any width or on none."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from open_agent.cli.rendering.pieces import Piece

GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column; the one that `shrinks` gives way where the screen is narrow."""

    title: str
    is_right: bool = False
    shrinks: bool = False


def lay_out(
    columns: Sequence[Column], rows: Sequence[Sequence[Piece]], width: int | None
) -> list[Piece]:
    """A heading and the rows; at most `width` wide where that is possible."""
    titles = [Piece(column.title, "faint") for column in columns]
    all_rows = [titles, *rows]
    widths = [max(cell_len(row[i].text) for row in all_rows) for i in range(len(columns))]
    if width is not None:
        excess = sum(widths) + GAP * (len(columns) - 1) - width
        for i, column in enumerate(columns):
            if column.shrinks and excess > 0:
                widths[i] = max(8, widths[i] - excess)
    pieces: list[Piece] = []
    for row in all_rows:
        for i, (column, cell) in enumerate(zip(columns, row, strict=True)):
            is_last = i == len(columns) - 1
            text = _fitted(cell.text, widths[i], is_right=column.is_right, is_last=is_last)
            pieces.append(Piece(text if is_last else text + " " * GAP, cell.style))
        pieces.append(Piece("\n"))
    return pieces


def _fitted(text: str, width: int, *, is_right: bool, is_last: bool) -> str:
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1).rstrip() + "…"
    if is_last and not is_right:
        return text
    return " " * (width - length) + text if is_right else text + " " * (width - length)
