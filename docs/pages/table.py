"""Tables as Markdown has them."""

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table and a blank one; none when there are no rows."""
    lines = [_row(row) for row in rows]
    if not lines:
        return []
    return [_row(columns), "|" + "---|" * len(columns), *lines, ""]


def _row(cells: Sequence[str]) -> str:
    shown = (" ".join(cell.split()).replace("|", "\\|") for cell in cells)
    return "".join(f"| {cell} " if cell else "| " for cell in shown) + "|"
