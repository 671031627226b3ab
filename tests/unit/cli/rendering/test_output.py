from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from open_agent.cli.rendering.output import EVERYTHING, Folding, LineFolder, fold_text


def test_a_text_that_fits_is_shown_whole() -> None:
    assert fold_text("a\nb", Folding(2, 1)) == (["a", "b"], 0, [])
    assert fold_text("a\nb\nc\n", Folding(2, 1)) == (["a", "b"], 0, ["c"])


def test_a_long_text_keeps_head_and_tail() -> None:
    text = "\n".join(str(n) for n in range(10))
    assert fold_text(text, Folding(2, 3)) == (["0", "1"], 5, ["7", "8", "9"])
    assert fold_text(text, Folding(2)) == (["0", "1"], 8, [])


def test_without_bounds_everything_is_shown() -> None:
    lines = ["x" * 1000] * 100
    assert fold_text("\n".join(lines), EVERYTHING) == (lines, 0, [])


def test_a_long_line_says_how_much_is_missing() -> None:
    (line,), *_ = fold_text("x" * 1000, Folding(2))
    assert line == "x" * 400 + "… (600 characters more)"


def test_a_line_without_end_is_not_held_for_ever() -> None:
    folder = LineFolder(Folding(2))
    assert folder.feed("x" * 10_000) == []
    assert len(folder.feed("x" * 10_000)) == 1


@given(st.text("ab\n", max_size=60), st.lists(st.integers(0, 60)))
def test_however_a_text_is_cut_it_folds_alike(text: str, cuts: list[int]) -> None:
    folding = Folding(2, 2)
    folder = LineFolder(folding)
    shown: list[str] = []
    places = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    for start, end in pairwise(places):
        shown += folder.feed(text[start:end])
    last, hidden, tail = folder.finish()
    assert ([*shown, *last], hidden, tail) == fold_text(text, folding)
