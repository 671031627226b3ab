"""Lines of a stranger's output: whole, or not kept at all."""

from hypothesis import given
from hypothesis import strategies as st

from open_agent.mcp.client.lines import Allowance, Lines, Tail, TooLong

PIECES = st.lists(st.binary(max_size=40), max_size=12)


@given(PIECES)
def test_lines_are_what_they_are_however_they_come(pieces: list[bytes]) -> None:
    lines = Lines(1_000)
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert found == b"".join(pieces).split(b"\n")[:-1]


@given(PIECES, st.integers(min_value=1, max_value=30))
def test_a_line_too_long_is_told_once_and_those_around_it_are_kept(
    pieces: list[bytes], limit: int
) -> None:
    lines = Lines(limit)
    found = [line for piece in pieces for line in lines.feed(piece)]
    *whole, rest = b"".join(pieces).split(b"\n")
    expected = [line if len(line) <= limit else None for line in whole]
    if len(rest) > limit:
        expected.append(None)
    assert [None if isinstance(line, TooLong) else line for line in found] == expected


def test_an_allowance_refills_with_time_and_no_further() -> None:
    allowance = Allowance(10, 2, 0.0)
    assert allowance.take(10, 0.0)
    assert not allowance.take(1, 0.1)
    assert allowance.take(3, 2.1)
    assert allowance.take(10, 1_000.0)
    assert not allowance.take(1, 1_000.0)


def test_of_a_long_complaint_the_end_is_kept() -> None:
    tail = Tail(10)
    for piece in (b"abc", b"defghij", b"klmno", b"x" * 3):
        tail.add(piece)
    assert tail.text() == "ijklmnoxxx"
