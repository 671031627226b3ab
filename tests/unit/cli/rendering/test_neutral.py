import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.cli.rendering.neutral import neutral, neutral_json, neutral_line

HARMFUL = {chr(code) for code in [*range(0x20), *range(0x7F, 0xA0)]} - {"\n", "\t"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[?1049h\x1b[2J", ""),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;c2VjcmV0\x1b\\after", "after"),
        ("\x1bP+q544e\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x1bcreset", "reset"),
        ("\x1b", "␛"),
        ("\x1b]never closed", "␛]never closed"),
        ("bell\x07 back\x08", "bell␇ back␈"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("\x7f\x85", "␡\ufffd"),
        ("abc\u202edef\u2066", "abc\ufffddef\ufffd"),
        ("\ud800", "\ufffd"),
        ("é 漢 🎉", "é 漢 🎉"),
    ],
)
def test_text_from_outside_is_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert neutral(text) == shown


@given(st.text(st.characters(max_codepoint=0x2100)))
def test_no_text_keeps_a_control_character(text: str) -> None:
    assert HARMFUL.isdisjoint(neutral(text))
    assert HARMFUL.isdisjoint(neutral_line(text))
    assert "\n" not in neutral_line(text)


@given(st.text("\x1b[]0123;mPX\\\x07\x9b\x9c ", max_size=40))
def test_no_leftovers_form_a_new_sequence(text: str) -> None:
    assert HARMFUL.isdisjoint(neutral(text))


def test_a_progress_bar_is_shown_as_it_ended() -> None:
    assert neutral_line("10 %\r50 %\r100 %\r") == "100 %"


@given(st.text())
def test_json_keeps_its_value(text: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    written = neutral_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(written) == {"text": text}
    assert HARMFUL.isdisjoint(written)


def test_many_openings_take_no_longer_than_few() -> None:
    assert neutral("\x1b]" * 200_000).startswith("␛]")
