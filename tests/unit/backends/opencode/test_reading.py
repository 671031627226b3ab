"""What is read of a session: each thing once, whatever comes twice, late or not at all."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from open_agent.backends.opencode.protocol.wire import CallRef, FeedEvent, Message
from open_agent.backends.opencode.session.facts import (
    Asked,
    Called,
    Ended,
    Fact,
    Noted,
    Returned,
    TryFailed,
)
from open_agent.backends.opencode.session.reading import Reading
from open_agent.core.ids import MissionId
from open_agent.events.model.model_call import ModelFailed
from open_agent.events.record import Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SESSION, CHILD = "ses_1", "ses_2"
Json = dict[str, Any]


def event(type_: str, session: str = SESSION, **properties: Any) -> FeedEvent:
    return FeedEvent(type_, {"sessionID": session, **properties}, session)


def user(id_: str = "msg_p", session: str = SESSION, created: int = 10) -> Json:
    return {"id": id_, "role": "user", "sessionID": session, "time": {"created": created}}


def reply(
    id_: str, session: str = SESSION, *, created: int = 20, is_complete: bool = False, **more: Any
) -> Json:
    time = {"created": created, **({"completed": created + 5} if is_complete else {})}
    model = {"providerID": "p", "modelID": "m"}
    place = {"id": id_, "role": "assistant", "sessionID": session, "parentID": "msg_p"}
    return {**place, "time": time, **model, **more}


def part(id_: str, message: str, kind: str, session: str = SESSION, **more: Any) -> Json:
    return {"id": id_, "messageID": message, "sessionID": session, "type": kind, **more}


def tool(id_: str, message: str, status: str, session: str = SESSION, **more: Any) -> Json:
    name, metadata = more.pop("tool", "bash"), more.pop("metadata", {})
    state = {"status": status, "input": {"command": "ls"}, "metadata": metadata, "output": "out"}
    return part(id_, message, "tool", session, callID=f"c-{id_}", tool=name, state=state)


def told(info: Json) -> FeedEvent:
    return event("message.updated", info["sessionID"], info=info)


def shown(value: Json) -> FeedEvent:
    return event("message.part.updated", value["sessionID"], part=value)


DONE = part("s1e", "msg_1", "step-finish", reason="tool-calls", cost=0.1)
LIVE = [
    told(user()),
    told(reply("msg_1")),
    shown(part("s1s", "msg_1", "step-start")),
    shown(part("s1t", "msg_1", "text", text="I look.", time={"start": 1, "end": 2})),
    shown(tool("prt_1", "msg_1", "pending")),
    shown(tool("prt_1", "msg_1", "running")),
    shown(tool("prt_2", "msg_1", "running")),
    shown(tool("prt_2", "msg_1", "completed")),
    shown(tool("prt_1", "msg_1", "completed")),
    shown(DONE),
    told(reply("msg_1", is_complete=True)),
    told(reply("msg_2", created=30)),
    shown(part("s2t", "msg_2", "text", text="Done.", time={"start": 1, "end": 2})),
    shown(part("s2e", "msg_2", "step-finish", reason="stop")),
    told(reply("msg_2", created=30, is_complete=True)),
]
HISTORY = [
    Message.model_validate({"info": user(), "parts": []}),
    Message.model_validate(
        {
            "info": reply("msg_1", is_complete=True),
            "parts": [
                part("s1s", "msg_1", "step-start"),
                part("s1t", "msg_1", "text", text="I look.", time={"start": 1, "end": 2}),
                tool("prt_1", "msg_1", "completed"),
                tool("prt_2", "msg_1", "completed"),
                DONE,
            ],
        }
    ),
    Message.model_validate(
        {
            "info": reply("msg_2", created=30, is_complete=True),
            "parts": [
                part("s2t", "msg_2", "text", text="Done.", time={"start": 1, "end": 2}),
                part("s2e", "msg_2", "step-finish", reason="stop"),
            ],
        }
    ),
]


def reading() -> Reading:
    made = Reading(SESSION)
    made.first_prompt = "msg_p"
    return made


def say(facts: Iterable[Fact]) -> list[str]:
    """What facts are about, in a word each; an ending is looked into while it can be."""
    found: list[str] = []
    for fact in facts:
        match fact:
            case Asked(step) | TryFailed(step):
                found.append(f"{type(fact).__name__} {step.message_id} {step.attempt}")
            case Ended(step):
                calls = ",".join(each.id for each in step.tools)
                found.append(f"Ended {step.message_id} {step.text()}|{calls}")
            case Called(call) | Returned(call):
                within = f" within {call.within}" if call.within else ""
                found.append(f"{type(fact).__name__} {call.id}{within}")
            case Noted(kind):
                found.append(kind)
    return found


def take(made: Reading, events: Iterable[FeedEvent]) -> list[str]:
    return [said for each in events for said in say(made.take(each))]


def look_up(made: Reading, messages: Iterable[Message] = HISTORY) -> list[str]:
    return [said for each in messages for said in say(made.take_message(each))]


WHOLE = [
    "Asked msg_1 1",
    *("Called prt_1", "Called prt_2", "Returned prt_2", "Returned prt_1"),
    "Ended msg_1 I look.|prt_1,prt_2",
    *("Asked msg_2 1", "Ended msg_2 Done.|"),
]


def test_a_session_is_read_as_it_happens():
    assert take(reading(), LIVE) == WHOLE


@given(st.integers(0, len(LIVE)), st.integers(0, len(LIVE)), st.booleans())
def test_history_read_in_the_middle_repeats_nothing(cut: int, again: int, is_twice: bool):
    made = reading()
    found = take(made, LIVE[:cut]) + look_up(made)
    if is_twice:
        found += look_up(made)
    found += take(made, LIVE[min(cut, again) :])
    assert sorted(found) == sorted(WHOLE)


@given(st.lists(st.integers(0, len(LIVE) - 1), max_size=30))
def test_events_that_come_again_say_nothing_new(places: list[int]):
    made = reading()
    found = take(made, LIVE)
    assert take(made, [LIVE[place] for place in places]) == []
    assert found == WHOLE


def test_a_reply_that_is_said_to_be_complete_too_soon_waits_for_its_parts():
    made = reading()
    found = take(made, [told(user()), told(reply("msg_1", is_complete=True))])
    assert found == ["Asked msg_1 1"]
    assert take(made, LIVE[2:4]) == []
    assert take(made, [shown(DONE)]) == ["Ended msg_1 I look.|"]


def test_a_try_that_failed_is_told_and_its_half_text_dropped():
    made = reading()
    take(made, LIVE[:3])
    half = part("s1h", "msg_1", "text", text="I lo", time={"start": 1})
    status = {"type": "retry", "attempt": 1, "message": "Overloaded", "next": 99}
    found = take(made, [shown(half), event("session.status", status=status)])
    assert found == ["TryFailed msg_1 1"]
    assert take(made, [event("session.status", status={"type": "busy"})]) == ["Asked msg_1 2"]
    assert take(made, [LIVE[3], shown(DONE)]) == ["Ended msg_1 I look.|"]


def test_what_a_subagent_did_before_its_call_was_known_is_within_it():
    made = reading()
    early = [
        told(reply("msg_c", CHILD, created=25)),
        shown(tool("prt_c", "msg_c", "running", CHILD, tool="grep")),
    ]
    assert take(made, [*LIVE[:3], *early]) == ["Asked msg_1 1"]
    task = tool("prt_1", "msg_1", "running", tool="task", metadata={"sessionId": CHILD})
    assert take(made, [shown(task)]) == ["Called prt_1", "Called prt_c within prt_1"]
    done = shown(tool("prt_c", "msg_c", "completed", CHILD, tool="grep"))
    assert take(made, [done]) == ["Returned prt_c within prt_1"]
    assert [call.id for call in made.open_calls] == ["prt_1"]


def test_what_is_open_is_lost_once_the_inner_first():
    made = reading()
    task = tool("prt_1", "msg_1", "running", tool="task", metadata={"sessionId": CHILD})
    inner = [
        told(reply("msg_c", CHILD, created=25)),
        shown(tool("prt_c", "msg_c", "running", CHILD)),
    ]
    take(made, [*LIVE[:4], shown(task), *inner])
    assert say(made.lose("unknown")) == [
        "Returned prt_c within prt_1",
        "Returned prt_1",
        "Ended msg_1 I look.|prt_1",
        "Ended msg_c |prt_c",
    ]
    assert say(made.lose("unknown")) == []


def test_a_call_that_was_cut_off_while_it_was_written_asks_for_nothing():
    made = reading()
    half = tool("prt_1", "msg_1", "pending")
    take(made, [told(user()), told(reply("msg_1")), shown(half)])
    [step] = made.open_steps
    assert made.is_blank(step)
    [ended] = made.lose("unknown")
    assert isinstance(ended, Ended)
    assert ended.step.parts == {}
    # OpenCode keeps it as it was.
    left = Message.model_validate({"info": reply("msg_1"), "parts": [half]})
    assert look_up(made, [HISTORY[0], left]) == []


def failed(**more: Any) -> Record:
    event = ModelFailed(
        step=1,
        model="m",
        code="server.stopped",
        message="The reply was cut off.",
        is_retryable=True,
        cost_microdollars=0,
        cost_source="unknown",
        duration_ms=0,
        backend_id="msg_1",
        **more,
    )
    return Record(seq=9, owner_seq=9, at=NOW, mission_id=MissionId("m"), run_id=None, event=event)


def test_a_reply_that_failed_for_good_is_not_asked_for_again_when_it_is_read_again():
    begun = [part("s1s", "msg_1", "step-start"), tool("prt_1", "msg_1", "pending")]
    left = Message.model_validate({"info": reply("msg_1"), "parts": begun})
    made = reading()
    made.restore([failed()])
    assert look_up(made, [HISTORY[0], left]) == []
    assert made.open_steps == []
    made = reading()
    made.restore([failed(retry_at=NOW)])
    assert look_up(made, [HISTORY[0], left]) == ["Asked msg_1 1"]


def test_messages_of_before_the_run_are_not_read():
    made = Reading(SESSION)
    made.first_prompt = "msg_later"
    later = Message.model_validate({"info": user("msg_later", created=50), "parts": []})
    assert look_up(made, [*HISTORY, later, *HISTORY]) == []


def test_a_call_is_found_by_what_asks_about_it():
    made = reading()
    take(made, LIVE[:5])
    call = made.call_of(CallRef.model_validate({"messageID": "msg_1", "callID": "c-prt_1"}))
    assert call is not None
    assert call.stage == "wanted"
    assert say(made.begin(call, {"questions": []})) == ["Called prt_1"]
    assert take(made, [LIVE[5]]) == []
    assert made.call_of(CallRef.model_validate({"messageID": "msg_1", "callID": "no"})) is None
