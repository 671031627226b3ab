"""What each event becomes on the wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.run import Outcome
from open_agent.events.codec import encode_event, encode_record
from open_agent.events.delta import Delta
from open_agent.events.log import EncodedRecord
from open_agent.events.record import Record
from open_agent.server.frames import (
    SHOWN_TYPES,
    decode,
    delta_frame,
    entries,
    frame,
    instruction,
    log_entries,
    mission_frames,
    task_frames,
)
from tests.histories import MISSION, RUN, START, History, begun, histories

STRANGE = "a\n\nb\r\nc data: d\u2028e\0f é 😀"


def encoded(record: Record) -> EncodedRecord:
    body = encode_event(record.event)  # type: ignore[arg-type]
    place = (record.seq, record.owner_seq, record.at, record.mission_id, record.run_id)
    return EncodedRecord(
        record.seq,
        record.owner_seq,
        record.mission_id,
        record.event.type,
        encode_record(*place, body),
    )


def shown(history: History) -> list[tuple[str, str]]:
    """The entries of the newest record."""
    return [(entry.entry_type.value, entry.content) for entry in entries(history.records[-1])]


def changed(history: History, **changes: Any) -> History:
    """A log of one event: the newest of `history` with other fields."""
    event: Any = history.records[-1].event
    return History().add(event.model_copy(update=changes))


def answered(*, calls: bool = False, **changes: Any) -> History:
    requested = [("look", "{}")] if calls else []
    return changed(begun().asked().answered("text", requested), **changes)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        (answered(), [("response", "text")]),
        (answered(reasoning="Hm."), [("thinking", "Hm."), ("response", "text")]),
        (
            answered(reasoning="Hm.", calls=True),
            [("thinking", "Hm."), ("thinking", "text")],
        ),
        (answered(calls=True, text=" \n"), []),
        (answered(text="", reasoning=""), []),
        (answered(purpose="compaction"), []),
        (begun().asked().failed(), [("error", "It failed.")]),
        (begun().tool_step().called(), [("tool_call", "run_command {}")]),
        (begun().tool_step(content="line\n"), [("tool_result", "line\n")]),
        (begun().tool_step(content=""), [("tool_result", "(no output)")]),
        (begun().finished(Outcome.FAILED), [("error", "Done.")]),
        (begun().finished(Outcome.EXHAUSTED), [("error", "Done.")]),
        (begun().finished(Outcome.SUCCEEDED), []),
        (begun().finished(Outcome.CANCELLED), []),
        (begun(), []),
        (begun().asked(), []),
        (begun().cancelled(), []),
        (begun().noticed(), []),
        (begun().message("More."), []),
    ],
)  # fmt: skip
def test_each_event_becomes_its_entries(history: History, expected: list[tuple[str, str]]) -> None:
    assert shown(history) == expected


def test_the_arguments_of_a_call_are_json() -> None:
    arguments = {"command": 'echo "é\n"', "timeout": 5}
    history = changed(begun().tool_step().called(), arguments=arguments)
    ((kind, content),) = shown(history)
    name, _, text = content.partition(" ")
    assert (kind, name, json.loads(text)) == ("tool_call", "run_command", arguments)


@pytest.mark.parametrize(
    ("outcome", "status", "result"),
    [
        (Outcome.SUCCEEDED, "completed", "Done."),
        (Outcome.CANCELLED, "cancelled", "Done."),
        (Outcome.FAILED, "failed", "Error: Done."),
        (Outcome.EXHAUSTED, "failed", "Error: Done."),
    ],
)
def test_the_end_of_a_run_is_the_last_frame(outcome: Outcome, status: str, result: str) -> None:
    frames = task_frames(encoded(begun().finished(outcome).records[-1]))
    assert frames.is_last
    k = 1 if status == "failed" else 0
    assert frames.items[-1] == (
        f'event: done\nid: 4.{k}\ndata: {{"status":"{status}","result":"{result}"}}\n\n'.encode()
    )


@given(histories())
def test_the_stream_and_the_poll_show_the_same(records: list[Record]) -> None:
    stored = [encoded(record) for record in records]
    sent = [read(item) for record in stored for item in task_frames(record).items]
    logged = [json.loads(entry.model_dump_json()) for entry in log_entries(stored)]
    assert [data for event, _, data in sent if event == "log"] == logged
    places = [tuple(map(int, (id_ or "").split("."))) for _, id_, _ in sent]
    assert places == sorted(set(places))


@given(histories())
def test_types_that_are_passed_over_show_nothing(records: list[Record]) -> None:
    for record in records:
        if record.event.type not in SHOWN_TYPES:
            assert entries(record) == []
            assert task_frames(encoded(record)).items == ()


@given(histories())
def test_the_mission_stream_is_the_records_themselves(records: list[Record]) -> None:
    for record in records:
        stored = encoded(record)
        (item,) = mission_frames(stored).items
        assert item == b"event: %b\nid: %d.0\ndata: %b\n\n" % (
            record.event.type.encode(),
            record.seq,
            stored.json,
        )
        assert decode(stored) == record


def test_events_of_a_newer_release_are_passed_on_and_not_shown() -> None:
    body = b'{"type":"moon.phased","phase":{"now":"full"}}'
    json_ = encode_record(7, 9, START, MISSION, RUN, body)
    record = EncodedRecord(7, 9, MISSION, "moon.phased", json_)
    assert task_frames(record).items == ()
    assert mission_frames(record).items == (b"event: moon.phased\nid: 7.0\ndata: %b\n\n" % json_,)
    newer = b'{"type":"run.finished","outcome":"promoted","reason":"?","result":"?"}'
    record = EncodedRecord(
        7, 9, MISSION, "run.finished", encode_record(7, 9, START, MISSION, RUN, newer)
    )
    assert (task_frames(record).items, task_frames(record).is_last) == ((), False)


@given(st.text())
def test_no_text_breaks_out_of_its_frame(text: str) -> None:
    record = answered(text=text).records[-1]
    for item in task_frames(encoded(record)).items + mission_frames(encoded(record)).items:
        assert item.count(b"\n\n") == 1
        assert b"\r" not in item
        assert item.endswith(b"\n\n")
        read(item)


def test_json_over_several_lines_stays_one_event() -> None:
    item = frame(b"x", b'{"a":\r\n1,\n"b":\r2}')
    assert item == b'event: x\ndata: {"a":\ndata: 1,\ndata: "b":\ndata: 2}\n\n'
    assert read(item) == ("x", None, {"a": 1, "b": 2})


def test_live_text_has_no_id() -> None:
    delta = Delta(mission_id=MISSION, run_id=RUN, kind="text", step=2, offset=3, content=STRANGE)
    event, id_, data = read(delta_frame(delta))
    assert (event, id_) == ("delta", None)
    assert Delta.model_validate(data) == delta


def test_what_a_task_asks_for_is_its_first_message() -> None:
    records = [encoded(r) for r in begun().message("Later.").records]
    assert instruction(records) == "Do it."
    assert instruction(records[:1]) == ""


def read(item: bytes) -> tuple[str, str | None, Any]:
    """A frame as a client reads it."""
    fields: dict[str, list[str]] = {}
    for line in item.decode().removesuffix("\n\n").split("\n"):
        name, _, value = line.partition(": ")
        fields.setdefault(name, []).append(value)
    ids = fields.get("id", [])
    return fields["event"][0], ids[0] if ids else None, json.loads("\n".join(fields["data"]))
