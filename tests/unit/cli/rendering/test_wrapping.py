import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from open_agent.cli.rendering.pieces import Piece, plain
from open_agent.cli.rendering.wrapping import Wrapper

GUTTER = "  │ "


def wrapped(text: str, width: int = 20, hang: str | None = "") -> str:
    wrapper = Wrapper()
    return plain(wrapper.wrap([Piece(text, "plain", hang)], width) + wrapper.flush())


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three four five", ["one two three four", "five"]),
        ("exactly twenty cells, and more", ["exactly twenty", "cells, and more"]),
        ("    indented text stays indented", ["    indented text", "    stays indented"]),
        ("- a point that is long enough", ["- a point that is", "  long enough"]),
        ("12. a point that is long enough", ["12. a point that is", "    long enough"]),
        ("› do this and that, then stop", ["› do this and that,", "  then stop"]),
        ("a\tb\tc tabs", ["a       b       c", "tabs"]),
        ("\t\tdeeper", ["              deeper"]),
        ("trailing   \nblanks", ["trailing", "blanks"]),
        ("\n\nblank lines stay\n\n", ["", "", "blank lines stay", "", ""]),
        ("文字はどこでも折り返すことができる", ["文字はどこでも折り返", "すことができる"]),
    ],
)
def test_lines_are_broken_between_words_and_go_on_under_their_text(
    text: str, lines: list[str]
) -> None:
    assert wrapped(text).split("\n") == lines


def test_a_word_that_is_longer_than_the_screen_is_left_to_the_terminal() -> None:
    address = "https://example.com/a/long/path"
    assert wrapped(f"see {address} for more") == f"see\n{address} for more"


def test_output_keeps_its_gutter_even_through_words_that_are_too_long() -> None:
    text = f"{GUTTER}one two three four five\n{GUTTER}{'x' * 40} end"
    assert wrapped(text, hang=GUTTER).split("\n") == [
        "  │ one two three",
        "  │ four five",
        f"  │ {'x' * 16}",
        f"  │ {'x' * 16}",
        "  │ xxxxxxxx end",
    ]


def test_a_command_is_never_broken() -> None:
    command = "$ echo   one two three four five six"
    assert wrapped(command, hang=None) == command


def test_a_word_appears_once_it_has_ended() -> None:
    wrapper = Wrapper()
    assert plain(wrapper.wrap([Piece("one tw")], 20)) == "one"
    assert plain(wrapper.wrap([Piece("o th")], 20)) == " two"
    assert plain(wrapper.flush()) == " th"


@given(
    st.lists(st.text(st.sampled_from("ab\u0301漢👍 \n\t-1.$│"), max_size=30), max_size=8),
    st.sampled_from(["", GUTTER, None]),
    st.integers(20, 30),
)
def test_however_text_is_cut_the_same_is_shown_and_it_fits(
    parts: list[str], hang: str | None, width: int
) -> None:
    text = "".join(parts)
    cut = Wrapper()
    pieces = [
        out
        for part in parts
        for out in cut.wrap([Piece(part, "plain", hang)] if part else [], width)
    ]
    shown = plain(pieces + cut.flush())
    assert shown == wrapped(text, width, hang)
    if hang is None:
        assert shown.split() == text.split()
        return
    kept = shown.replace(GUTTER, "") if hang and GUTTER not in text else shown
    assert "".join(kept.split()) == "".join(text.split()) or "│" in text
    longest = max((cell_len(word) for word in text.split()), default=0)
    if hang or longest <= width // 2:
        assert all(cell_len(line) <= width for line in shown.split("\n"))
