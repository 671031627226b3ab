"""Text: made harmless, cut, compared."""

import re
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from open_agent.tools.capture import KEPT, Capture
from open_agent.tools.clipping import clip
from open_agent.tools.diffing import unified_diff
from open_agent.tools.plain_text import from_file, from_program

ANY_TEXT = st.text(st.characters())
TROUBLE = st.lists(
    st.sampled_from(
        ["\x1b", "[", "]", "31m", "0;", "\x07", "\x1b\\", "\x9b", "P", "\r", "\n", "\b", "é", "x",
         "\u202e", "\U000e0041", "\0", "\x85", "\ud800", " "]
    )
).map("".join)  # fmt: skip


@given(ANY_TEXT | TROUBLE)
def test_no_text_can_command_a_terminal_or_turn_itself_round(text: str) -> None:
    """Check 35."""
    for shown in (from_program(text), from_file(text)):
        shown.encode()
        assert not re.search(
            "[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0020-\U000e007f]", shown
        )


@given(st.text(st.characters(exclude_categories=["C"]) | st.sampled_from("\n\t")))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert from_program(text) == text
    assert from_file(text) == text


def test_a_program_is_shown_as_a_terminal_would_in_the_end() -> None:
    assert from_program("a\rb\r\nc\rd\r\n") == "b\nd\n"
    assert from_program("50%\r100%\r") == "100%"
    assert from_program("N\bNA\bAME _\bu") == "NAME u"
    assert from_program("\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x1b\\link\x1b]8;;\x07") == "red link"
    assert from_program("\x1b]0;never ended\nnext") == "\nnext"


@given(ANY_TEXT, st.integers(10, 200))
def test_clipped_text_keeps_both_ends_and_says_how_much_is_gone(text: str, limit: int) -> None:
    shown = clip(text, limit)
    if len(text) <= limit:
        assert shown == text
        return
    head, said, tail = re.split(r"\n\[… ([\d,]+) characters left out\. …\]\n", shown)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + int(said.replace(",", "")) + len(tail) == len(text)


def test_advice_stands_where_something_is_missing() -> None:
    assert clip("a" * 100, 10, advice="Look there.") == snapshot("""\
aaaaa
[… 90 characters left out. Look there. …]
aaaaa\
""")


@given(st.lists(st.binary(max_size=100)))
def test_a_capture_of_little_is_whole(pieces: list[bytes]) -> None:
    capture = Capture()
    for piece in pieces:
        capture.add(piece)
    assert capture.size == len(b"".join(pieces))
    assert capture.is_whole
    assert capture.raw() == b"".join(pieces)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 2 * KEPT), max_size=4))
def test_a_capture_of_much_has_its_beginning_and_its_end(sizes: list[int]) -> None:
    capture = Capture()
    whole = bytearray()
    for number, size in enumerate(sizes):
        piece = f"é{number} ".encode() * (size // 4 + 1)
        capture.add(piece)
        whole += piece
    text = capture.text(1000)
    if len(whole.decode()) <= 1000:
        assert text == whole.decode()
        return
    head, tail = re.split(r"\n\[… .* left out\. …\]\n", text)
    assert whole.decode().startswith(head)
    assert whole.decode().endswith(tail)
    assert len(head) > 400
    assert len(tail) > 400


LINES = st.lists(st.sampled_from(["a", "b", "c", "", "\ra", "\x0cb", "é"]), max_size=30)
TEXTS = st.tuples(LINES, st.booleans()).map(lambda it: "\n".join(it[0]) + "\n" * it[1])


@given(TEXTS, TEXTS)
def test_a_diff_says_exactly_what_changed(before: str, after: str) -> None:
    diff = unified_diff(before, after, "x")
    assert (diff == "") == (before == after)
    assert _applied(before, diff) == after


def _applied(before: str, diff: str) -> str:
    """A patch program of some lines: `old` lines are checked, and replaced by `new` ones."""
    *whole, rest = before.split("\n")
    old = [line + "\n" for line in whole] + ([rest] if rest else [])
    result: list[str] = []
    position = 0
    lines = diff.split("\n")[2:-1]
    for number, line in enumerate(lines):
        if header := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@", line):
            start = int(header[1]) - (header[2] != "0")
            result += old[position:start]
            position = start
            continue
        if line.startswith("\\"):
            continue
        loose = number + 1 < len(lines) and lines[number + 1].startswith("\\")
        text = line[1:] + ("" if loose else "\n")
        if line[0] in " -":
            assert old[position] == text
            position += 1
        if line[0] in " +":
            result.append(text)
    return "".join(result + old[position:])


def test_a_diff_is_one_that_git_takes(tmp_path: Path) -> None:
    before = "".join(f"{number}\n" for number in range(100))
    after = before.replace("\n7\n", "\n7\nseven\n").replace("\n50\n51\n", "\n").rstrip("\n")
    (tmp_path / "x").write_text(before)
    diff = unified_diff(before, after, "x")
    subprocess.run(["git", "apply", "-p0"], cwd=tmp_path, input=diff.encode(), check=True)
    assert (tmp_path / "x").read_text() == after
    assert diff.count("@@ -") == 3
