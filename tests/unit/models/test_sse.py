"""Server-sent events, in whatever pieces they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.models.sse import OversizedEvent, SseParser

LINES = st.sampled_from(
    [
        "data: {}",
        "data: ",
        "data:",
        "data",
        "data:x",
        "data:  two blanks",
        "data: Ünï 世界",
        "datum: no",
        "event: e",
        "id: 1",
        ": comment",
        ":",
        "",
        "",
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def parse(data: bytes, *, size: int | None = None, bound: int = 1 << 20) -> list[bytes]:
    parser = SseParser(bound)
    step = size or max(1, len(data))
    events: list[bytes] = []
    for start in range(0, len(data), step):
        events += parser.feed(data[start : start + step])
    return events


def by_the_book(data: bytes) -> list[bytes]:
    """The specification read line by line, with nothing clever."""
    text = data.decode().removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    events: list[bytes] = []
    held: list[str] = []
    for line in text.split("\n")[:-1]:
        name, _, value = line.partition(":")
        if not line:
            events += ["\n".join(held).encode()] if held else []
            held = []
        elif name == "data":
            held.append(value.removeprefix(" "))
    return events


@pytest.mark.timeout(60)
@given(st.lists(st.tuples(LINES, ENDS)), st.booleans())
def test_events_are_those_of_the_specification(lines: list[tuple[str, str]], bom: bool) -> None:
    data = ("\ufeff" * bom + "".join(line + end for line, end in lines)).encode()
    # A lone CR at the end may be half of a CRLF, but ends its line all the same.
    assert parse(data) == by_the_book(data)


@pytest.mark.timeout(60)
@given(st.lists(st.tuples(LINES, ENDS)), st.integers(1, 9))
def test_pieces_make_no_difference(lines: list[tuple[str, str]], size: int) -> None:
    data = "".join(line + end for line, end in lines).encode()
    assert parse(data, size=size) == parse(data)


def test_the_end_of_the_stream_completes_what_was_begun() -> None:
    parser = SseParser(100)
    assert parser.feed(b"data: a\n\ndata: b\ndata: c") == [b"a"]
    assert parser.flush() == [b"b\nc"]
    assert parser.flush() == []


@pytest.mark.parametrize(
    "data",
    [b"data: " + b"x" * 200, b"data: x\n" * 40, b":" + b"x" * 200, b"data\n" * 40],
    ids=["one line", "many lines", "a comment", "lines without a value"],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_event_over_the_bound_is_refused(data: bytes, size: int) -> None:
    with pytest.raises(OversizedEvent):
        parse(data, size=size, bound=100)


def test_events_within_the_bound_never_add_up_to_it() -> None:
    parser = SseParser(100)
    for _ in range(50):
        assert parser.feed(b"data: " + b"x" * 80 + b"\n\n") == [b"x" * 80]
