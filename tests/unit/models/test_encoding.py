"""The conversation: every request valid, its beginning stable, and the same from any start."""

from typing import Any

import pydantic_core
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from open_agent.core.ids import CallId
from open_agent.core.run import Usage
from open_agent.events.codec import make_record
from open_agent.events.fold import fold
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, RequestedCall
from open_agent.events.model.run import RunStarted
from open_agent.events.model.tool import ToolReturned
from open_agent.events.record import Record
from open_agent.models.encoding import Conversation, ConversationBroken
from open_agent.models.fragments import EMPTY_REPLY, NO_RESULT
from open_agent.scripted.checks import read_request
from tests.histories import MISSION, START, History, begun, histories

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "run_command", "parameters": {}}}
]


def made() -> Conversation:
    conversation = Conversation(TOOLS)
    conversation.set_system("You are a test.")
    return conversation


def folded(records: list[Record], conversation: Conversation | None = None) -> Conversation:
    conversation = made() if conversation is None else conversation
    for record in records:
        conversation.apply(record)
    return conversation


def messages_of(conversation: Conversation, model: str = "test/model") -> list[dict[str, Any]]:
    body = conversation.encode_request(model, 100).body
    return pydantic_core.from_json(body)["messages"]


def shown(history: History) -> list[str]:
    """The conversation as `role: content`, for comparing order."""
    messages = messages_of(folded(history.records))
    return [f"{m['role']}: {m['content']}" for m in messages[1:]]


@pytest.mark.timeout(60)
@given(histories())
@settings(max_examples=100, deadline=None)
def test_every_request_of_every_valid_log_is_valid_and_begins_like_the_one_before(
    records: list[Record],
) -> None:
    conversation, before = made(), b""
    for record in records:
        if isinstance(record.event, ModelAsked):
            body = conversation.encode_request("test/model", 100).body
            request, violations = read_request(body)
            assert request is not None
            assert violations == []
            assert body.startswith(before)
            before = body.removesuffix(b"]}")
            assert abs(len(body) - conversation.size_bytes) < 100
        conversation.apply(record)


@pytest.mark.timeout(60)
@given(histories(), st.data())
@settings(max_examples=100, deadline=None)
def test_starting_from_a_compaction_gives_the_same_bytes_as_the_whole_log(
    records: list[Record], data: st.DataObject
) -> None:
    whole, log = made(), list[Record]()
    compactions = data.draw(st.sets(st.integers(1, len(records)), min_size=1, max_size=3))
    for place, record in enumerate(records, 1):
        append(log, whole, longer(record.event), record)
        if place in compactions:
            compact(log, whole, data.draw(st.sampled_from([0, 900, 2_500, 5_000])))
    assume(any(isinstance(record.event, HistoryCompacted) for record in log))
    compare_with_restored(log, whole)


def compare_with_restored(log: list[Record], whole: Conversation) -> None:
    """What a worker that takes over builds from the newest compaction equals the whole fold."""
    events = [record.event for record in log]
    newest = next(event for event in reversed(events) if isinstance(event, HistoryCompacted))
    restored = made()
    restored.restore(newest, queue_at(log, newest))
    for seq in restored.missing:
        restored.apply(log[seq - 1])
    for record in log[newest.upto_seq :]:
        if record.event is not newest:
            restored.apply(record)
    assert requests(restored) == requests(whole)
    assert restored.size_bytes == whole.size_bytes


def queue_at(log: list[Record], compacted: HistoryCompacted) -> list[int]:
    """The places of what waited, and of its edits, that the state beside it has."""
    before = [record for record in log if record.seq < place_of(log, compacted)]
    dumped = fold(before).dump()
    steering = dumped.get("steering", [])
    seqs: list[int] = [*dumped.get("queue", []), *dumped.get("edits", [])]
    return [seq for seq in seqs if seq <= compacted.upto_seq and seq not in steering]


def place_of(log: list[Record], event: HistoryCompacted) -> int:
    return next(record.seq for record in log if record.event is event)


def test_an_older_compaction_after_the_cut_of_a_newer_one_is_passed_over() -> None:
    history = begun().tool_step(content="a" * 3_000).tool_step(content="b" * 3_000)
    history.tool_step(content="c" * 3_000)
    log = list[Record]()
    whole = made()
    for record in history.records:
        append(log, whole, record.event, record)
    for keep_bytes in (7_000, 4_000):
        compact(log, whole, keep_bytes)
    first, second = (r.event for r in log if isinstance(r.event, HistoryCompacted))
    assert first.upto_seq < second.upto_seq < len(history.records)
    compare_with_restored(log, whole)


def test_a_cut_at_the_end_of_a_run_leaves_steering_messages_waiting() -> None:
    history = begun().asked().answered("x" * 3_000, [("run_command", "{}")]).finished()
    log = list[Record]()
    whole = made()
    for record in history.records:
        append(log, whole, record.event, record)
    compact(log, whole, 0)
    history.message("Mind the gap.", "steer")
    append(log, whole, history.records[-1].event, history.records[-1])
    assert "Mind the gap." not in str(messages_of(whole))
    compare_with_restored(log, whole)


def longer(event: Any) -> Any:
    """Results long enough to be worth leaving out."""
    if not isinstance(event, ToolReturned):
        return event
    return event.model_copy(update={"content": event.content * 600})


def append(log: list[Record], whole: Conversation, event: Any, like: Record) -> None:
    seq = len(log) + 1
    log.append(make_record(seq, seq, START, MISSION, like.run_id, event))
    whole.apply(log[-1])


def compact(log: list[Record], whole: Conversation, keep_bytes: int) -> None:
    """As the loop does it, where it may be done."""
    cut = whole.cut(keep_bytes)
    if cut is None:
        return
    event = HistoryCompacted(
        upto_seq=cut.upto_seq,
        kept=list(cut.kept),
        summary=f"It went well up to {cut.upto_seq}.",
        method="summary",
        bytes_before=0,
        bytes_after=0,
        state={"conversation": whole.dump_state(cut)},
    )
    size = whole.size_bytes
    before = [m["content"] for m in messages_of(whole)[1:]]
    append(log, whole, event, log[-1])
    after = [m["content"] for m in messages_of(whole)[1:]]
    assert size - whole.size_bytes == cut.dropped_bytes - len(after_summary(after))
    assert after[: len(cut.kept)] == list(cut.kept)
    assert before[len(before) - (len(after) - len(cut.kept) - 1) :] == after[len(cut.kept) + 1 :]


def after_summary(contents: list[str | None]) -> bytes:
    summary = next(c for c in contents if c and "It went well" in c)
    return b"," + pydantic_core.to_json({"role": "user", "content": summary})


def requests(conversation: Conversation) -> list[bytes]:
    try:
        return [conversation.encode_request(m, 100).body for m in ("test/model", "other/model")]
    except ConversationBroken:
        return []


def test_results_stand_in_the_order_of_the_calls_whatever_came_back_first() -> None:
    history = begun().asked().answered("", [("run_command", "{}")] * 3)
    history.returned(2, "third").message("psst", "steer").returned(0, "first").returned(1, "second")
    assert shown(history) == snapshot(
        [
            "user: Do it.",
            "assistant: None",
            "tool: first",
            "tool: second",
            "tool: third",
            "user: psst",
        ]
    )


def test_a_steering_message_waits_for_the_model_to_finish() -> None:
    history = begun().asked().message("left", "steer")
    assert shown(history) == ["user: Do it."]
    history.answered("Hello.")
    assert shown(history) == ["user: Do it.", "assistant: Hello.", "user: left"]
    assert shown(begun().asked().message("left", "steer").failed())[-1] == "user: left"


def test_a_steering_message_is_seen_at_once_when_nothing_is_in_flight() -> None:
    assert shown(begun().message("right", "steer")) == ["user: Do it.", "user: right"]


def test_queued_and_interrupting_messages_wait_for_the_run_that_takes_them() -> None:
    history = begun().message("later", "queue").message("now", "interrupt").asked().answered("Hm.")
    assert shown(history) == ["user: Do it.", "assistant: Hm."]
    history.finished().started("m5", "m4")
    assert shown(history)[2:] == ["user: now", "user: later"]


def test_a_message_is_shown_once_even_when_a_later_run_names_it_again() -> None:
    history = begun().asked().message("left", "steer").failed().finished().started("m5")
    assert shown(history) == ["user: Do it.", "user: left"]


def test_an_open_call_keeps_the_request_from_being_made() -> None:
    conversation = folded(begun().asked().answered("", [("run_command", "{}")]).records)
    with pytest.raises(ConversationBroken):
        conversation.encode_request("m", 10)


def test_a_run_that_ends_with_an_open_call_does_not_spoil_the_conversation() -> None:
    history = begun().asked().answered("", [("run_command", "{}")] * 2).returned(1, "done")
    history.finished().message("Again.").started()
    assert shown(history)[2:] == [f"tool: {NO_RESULT}", "tool: done", "user: Again."]


def test_the_second_answer_of_a_call_is_not_shown() -> None:
    history = begun().asked().answered("", [("run_command", "{}")]).returned(0, "one")
    assert shown(history.returned(0, "two"))[-1] == "tool: one"


def test_compaction_calls_are_no_part_of_the_conversation() -> None:
    history = begun()
    answer = ModelAnswered(
        step=1,
        purpose="compaction",
        model="m",
        text="notes",
        finish_reason="stop",
        usage=Usage(),
        cost_microdollars=0,
        cost_source="free",
        duration_ms=1,
    )
    assert shown(history.asked().add(answer)) == ["user: Do it."]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"path": "a"}', '{"path": "a"}'),
        ("", "{}"),
        ("rm -rf", '{"unreadable":"rm -rf"}'),
        ("[1]", '{"unreadable":"[1]"}'),
        ('{"a": NaN}', '{"unreadable":"{\\"a\\": NaN}"}'),
        ('{"a":' * 10_000, None),
    ],
)
def test_arguments_that_are_no_json_object_are_replaced(written: str, sent: str | None) -> None:
    history = begun().asked().answered("", [("run_command", written)]).returned()
    call = messages_of(folded(history.records))[2]["tool_calls"][0]
    if sent is not None:
        assert call["function"]["arguments"] == sent
    assert isinstance(pydantic_core.from_json(call["function"]["arguments"]), dict)


def test_impossible_names_are_made_possible() -> None:
    calls = [("rm -rf /" + "x" * 30_000, "{}"), ("", "{}")]
    history = begun().asked().answered("", calls).returned(0).returned(1)
    request, violations = read_request(folded(history.records).encode_request("m", 1).body)
    assert request is not None
    assert violations == []


def test_text_without_a_utf8_form_is_neutralised() -> None:
    history = begun().asked().answered("a\ud800b\0c")
    assert shown(history)[-1] == "assistant: a\ufffdb\ufffdc"


def test_an_empty_reply_has_a_content_that_providers_accept() -> None:
    assert shown(begun().asked().answered("  "))[-1] == f"assistant: {EMPTY_REPLY}"


def answer_with_replay() -> ModelAnswered:
    return ModelAnswered(
        step=1,
        model="maker/model-2026-01-01",
        text="",
        tool_calls=[RequestedCall(call_id=CallId("c1-0"), name="run_command", arguments="{}")],
        finish_reason="tool_calls",
        usage=Usage(),
        cost_microdollars=0,
        cost_source="free",
        provider_message={
            "message": {"reasoning_details": [{"signature": "s"}], "role": "evil"},
            "calls": [{"extra_content": {"thought": "t"}, "id": "evil"}],
        },
        duration_ms=1,
    )


def test_reasoning_goes_back_to_the_model_that_produced_it_and_to_no_other() -> None:
    history = begun().asked("maker/model")
    history.add(answer_with_replay()).returned()
    conversation = folded(history.records)
    own = messages_of(conversation, "maker/model")[2]
    plain: dict[str, Any] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1-0",
                "type": "function",
                "function": {"name": "run_command", "arguments": "{}"},
            }
        ],
    }
    assert messages_of(conversation, "other/model")[2] == plain
    call = plain["tool_calls"][0] | {"extra_content": {"thought": "t"}}
    assert own == plain | {"tool_calls": [call], "reasoning_details": [{"signature": "s"}]}


def test_a_closing_instruction_is_said_once_and_forbids_calls() -> None:
    conversation = folded(begun().records)
    body = pydantic_core.from_json(conversation.encode_request("m", 5, closing="Sum up.").body)
    assert (body["messages"][-1], body["tool_choice"]) == (
        {"role": "user", "content": "Sum up."},
        "none",
    )
    assert shown(begun()) == ["user: Do it."]


def test_the_head_of_a_request_is_as_recorded() -> None:
    assert folded(begun().records).encode_request("test/model", 100).body == snapshot(
        b'{"model":"test/model","stream":true,"stream_options":{"include_usage":true},'
        b'"tools":[{"type":"function","function":{"name":"run_command","parameters":{}}}],'
        b'"messages":[{"role":"system","content":"You are a test."},'
        b'{"role":"user","content":"Do it."}]}'
    )


def test_a_conversation_without_a_system_prompt_or_tools_is_sent_as_well() -> None:
    conversation = Conversation()
    folded(begun().records, conversation)
    body = pydantic_core.from_json(conversation.encode_request("m", None).body)
    assert (body["messages"], "tools" in body) == ([{"role": "user", "content": "Do it."}], False)


def test_restoring_refuses_records_before_the_missing_ones() -> None:
    history = begun().message("later").tool_step(content="x" * 3_000)
    conversation = folded(history.records)
    cut = conversation.cut(0)
    assert cut is not None
    event = HistoryCompacted(
        upto_seq=cut.upto_seq,
        kept=list(cut.kept),
        summary="s",
        method="summary",
        bytes_before=0,
        bytes_after=0,
        state={"conversation": conversation.dump_state(cut)},
    )
    restored = made()
    restored.restore(event, fold(history.records).dump()["queue"])
    assert restored.missing == (4,)
    with pytest.raises(ConversationBroken):
        restored.apply(history.records[-1])


def test_a_run_started_event_may_name_messages_nobody_knows() -> None:
    history = begun()
    started = history.records[-1].event
    assert isinstance(started, RunStarted)
    history.finished().started("unknown")
    assert shown(history) == ["user: Do it."]
