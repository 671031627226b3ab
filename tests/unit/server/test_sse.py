"""Cursors, and the frames kept for many readers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.ids import MissionId
from open_agent.events.log import EncodedRecord
from open_agent.server.frames import Frames
from open_agent.server.sse import CACHED_FRAMES, LARGEST_CACHED, Cursor, FrameCache, read_cursor


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("12", Cursor(12)),
        ("12.0", Cursor(12, 0)),
        ("12.3", Cursor(12, 3)),
        (" 12.3 ", Cursor(12, 3)),
        ("012.03", Cursor(12, 3)),
        ("0", Cursor(0)),
        *((text, "unreadable") for text in ["-1", "1.", ".1", "1.2.3", "+1", "1_0", "٣", "1e3"]),
        *((text, "unreadable") for text in ["9" * 16, "1." + "9" * 7, "1\n2", "0x1", "NaN"]),
    ],
)
def test_cursors_are_read_or_unreadable(text: str | None, cursor: object) -> None:
    assert read_cursor(text) == cursor


@given(st.text())
def test_any_text_is_a_cursor_or_none(text: str) -> None:
    read_cursor(text)


@given(st.integers(0, 10**15 - 1), st.integers(0, 10**6 - 1))
def test_the_ids_that_are_sent_can_be_read(seq: int, k: int) -> None:
    assert read_cursor(f"{seq}.{k}") == Cursor(seq, k)


def test_each_record_is_encoded_once_and_old_ones_are_forgotten() -> None:
    encoded: list[int] = []

    def encode(record: EncodedRecord) -> Frames:
        encoded.append(record.seq)
        return Frames((b"%d" % record.seq,))

    cache = FrameCache(encode)

    def ask(seq: int, size: int = 1, mission: str = "m") -> bytes:
        record = EncodedRecord(seq, seq, MissionId(mission), "x", b"x" * size)
        return cache.frames(record).items[0]

    assert [ask(1), ask(1), ask(1, mission="n"), ask(1)] == [b"1"] * 4
    assert encoded == [1, 1]
    for seq in range(2, CACHED_FRAMES + 2):
        ask(seq)
    encoded.clear()
    ask(1)
    ask(CACHED_FRAMES + 1)
    assert encoded == [1]
    encoded.clear()
    ask(0, size=LARGEST_CACHED + 1)
    ask(0, size=LARGEST_CACHED + 1)
    assert encoded == [0, 0]
