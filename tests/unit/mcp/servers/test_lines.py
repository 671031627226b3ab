"""Lines out of bytes as they come."""

from hypothesis import given
from hypothesis import strategies as st

from open_agent.mcp.servers.lines import TOO_LONG, Lines

LONGEST = 8


def expected(data: bytes) -> list[bytes]:
    *lines, _ = data.split(b"\n")
    return [line if len(line) <= LONGEST else TOO_LONG for line in lines]


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"x", b"\n"))))
def test_lines_are_the_same_however_they_come(pieces: list[bytes]) -> None:
    lines = Lines(LONGEST)
    found = [line for piece in pieces for line in lines.add(piece)]
    assert found == expected(b"".join(pieces))


def test_of_a_line_that_is_too_long_nothing_is_kept() -> None:
    lines = Lines(LONGEST)
    for _ in range(100):
        assert lines.add(b"y" * 1000) == []
    assert vars(lines)["_begun"] == []
    assert lines.add(b"\nshort\n") == [TOO_LONG, b"short"]
