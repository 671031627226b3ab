from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from rich.cells import cell_len

from open_agent.cli.rendering.pieces import Piece, plain
from open_agent.cli.rendering.table import Column, lay_out

COLUMNS = (Column("ID"), Column("STEPS", is_right=True), Column("TASK", shrinks=True))
ROWS = [
    [Piece("1f3a"), Piece("3"), Piece("Mend the failing test of the parser")],
    [Piece("漢字"), Piece("12"), Piece("Short")],
]


def test_columns_line_up() -> None:
    assert plain(lay_out(COLUMNS, ROWS, None)) == snapshot("""\
ID    STEPS  TASK
1f3a      3  Mend the failing test of the parser
漢字     12  Short
""")


def test_on_a_narrow_screen_the_last_column_gives_way() -> None:
    assert plain(lay_out(COLUMNS, ROWS, 30)) == snapshot("""\
ID    STEPS  TASK
1f3a      3  Mend the failing…
漢字     12  Short
""")


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]))),
    st.integers(30, 90),
)
def test_no_row_is_wider_than_the_screen(titles: list[str], width: int) -> None:
    rows = [[Piece("1f3a"), Piece("3"), Piece(title)] for title in titles]
    lines = plain(lay_out(COLUMNS, rows, width)).split("\n")
    assert all(cell_len(line) <= width for line in lines)
