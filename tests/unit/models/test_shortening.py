"""What survives when a conversation is shortened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.models.encoding import Conversation
from open_agent.models.fragments import encode_user
from open_agent.models.shortening import KEPT_BYTES, fit
from tests.histories import History, begun


def conversation_of(history: History) -> Conversation:
    conversation = Conversation()
    for record in history.records:
        conversation.apply(record)
    return conversation


@pytest.mark.timeout(60)
@given(st.lists(st.text(max_size=3_000), max_size=8), st.integers(0, 6_000))
def test_what_is_kept_fits_and_is_whole_wherever_it_can_be(texts: list[str], room: int) -> None:
    kept = fit(texts, room)
    assert sum(len(encode_user(text)) for text in kept) <= room
    if sum(len(encode_user(text)) for text in texts) <= room:
        assert list(kept) == texts


def test_the_first_message_and_the_newest_come_before_those_between() -> None:
    first, *middle, last = "goal " * 100, "a" * 5_000, "b" * 5_000, "newest " * 100
    kept = fit([first, *middle, last], 5_000)
    assert (kept[0], kept[-1]) == (first, last)
    assert kept[-2].startswith("bbb")
    assert len(kept[-2]) > 1_000
    assert "characters of this message were left out here" in kept[-2]


def test_a_message_of_any_size_is_shortened_to_its_beginning_and_end() -> None:
    [kept] = fit(["begin " + "\n" * 1_000_000 + " end"], 10_000)
    assert kept.startswith("begin ")
    assert kept.endswith(" end")
    assert 5_000 < len(encode_user(kept)) <= 10_000


def test_a_cut_says_what_goes() -> None:
    history = begun()
    history.asked().answered("First I look.", [("run_command", "{}")] * 2)
    history.returned(0, "x" * 2_000).returned(1, "y" * 2_000)
    history.asked().answered("Now I know.", [("run_command", "{}")]).returned(content="z" * 500)
    conversation = conversation_of(history)
    cut = conversation.cut(1_500)
    assert cut is not None
    assert (cut.kept, cut.replies, cut.calls, cut.last_words) == (
        ("Do it.",),
        1,
        2,
        "First I look.",
    )
    assert cut.upto_seq == history.records[-4].seq
    assert 4_000 < cut.dropped_bytes < 4_700


def test_nothing_is_cut_where_nothing_would_be_gained() -> None:
    short = conversation_of(begun().tool_step())
    assert (short.is_shrinkable, short.cut(0)) == (False, None)
    long = conversation_of(begun().tool_step(content="x" * 5_000))
    assert long.is_shrinkable
    assert long.cut(1_000_000) is None
    assert long.cut(0) is not None


def test_a_conversation_that_can_shrink_has_somewhere_to_cut() -> None:
    long = conversation_of(begun().tool_step(content="x" * 5_000))
    assert long.is_shrinkable == (long.cut(0) is not None)


def test_people_s_messages_never_outgrow_an_event() -> None:
    history = begun()
    for _ in range(3):
        history.message("m" * 100_000, "steer")
    history.tool_step(content="x" * 5_000)
    cut = conversation_of(history).cut(0)
    assert cut is not None
    assert sum(len(encode_user(text)) for text in cut.kept) <= KEPT_BYTES
    assert cut.kept[0] == "Do it."


def test_a_huge_first_message_leaves_room_for_the_newest() -> None:
    kept = fit(["goal " * 10_000, "newest " * 100], 5_000)
    assert kept[0].startswith("goal ")
    assert kept[1] == "newest " * 100
