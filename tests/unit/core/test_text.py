from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.text import cut_to_bytes, encoded_size


@given(st.text(), st.integers(2, 200))
def test_a_cut_text_fits_and_is_a_beginning(text: str, limit: int):
    cut = cut_to_bytes(text, limit)
    assert encoded_size(cut) <= limit
    assert text.startswith(cut)


@given(st.text(min_size=1))
def test_a_text_that_fits_is_left_alone(text: str):
    assert cut_to_bytes(text, encoded_size(text)) == text


def test_a_cut_loses_no_more_than_a_little():
    for character in ("x", "é", "中", "\x01", "😀"):
        cut = cut_to_bytes(character * 100_000, 50_000)
        assert 0.97 * 50_000 < encoded_size(cut) <= 50_000
