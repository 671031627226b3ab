"""What this release makes of a log, as JSON: the state, the rows, the conversation, the wire.

A summary of a golden log may only change on purpose, and is then written anew; the log never is.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pydantic_core

from open_agent.core.ids import RunId
from open_agent.events.codec import decode_event, encode_event, encode_record, make_record
from open_agent.events.fold import fold
from open_agent.events.log import EncodedRecord
from open_agent.events.model.union import UnknownEvent
from open_agent.events.projection import MissionRow, project_mission
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow, project_runs
from open_agent.models.encoding import Conversation
from open_agent.server.frames import mission_frames, task_frames


def decode(line: bytes, format_: int) -> Record:
    """A line of a log that was written in a format, as today's record."""
    fields = pydantic_core.from_json(line)
    event = fields.pop("event")
    place = Record.model_validate(fields | {"event": {"type": ""}})
    return make_record(
        place.seq,
        place.owner_seq,
        place.at,
        place.mission_id,
        place.run_id,
        decode_event(event["type"], format_, pydantic_core.to_json(event)),
    )


def encode(record: Record) -> bytes:
    """The record as this release writes it."""
    event = record.event
    assert not isinstance(event, UnknownEvent), event.type
    return encode_record(
        record.seq,
        record.owner_seq,
        record.at,
        record.mission_id,
        record.run_id,
        encode_event(event),
    )


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """Everything that is derived from one mission's log."""
    mission, runs = rows(records)
    sent = [as_sent(record) for record in records]
    return {
        "state": state(records),
        "mission": _plain(asdict(mission)),
        "runs": [_plain(asdict(run)) for run in runs.values()],
        "messages": messages(records),
        "task_stream": [item.decode() for each in sent for item in task_frames(each).items],
        "mission_stream": [
            item.decode().partition("\ndata: ")[0]
            for each in sent
            for item in mission_frames(each).items
        ],
    }


def state(records: Sequence[Record]) -> dict[str, Any]:
    """What decisions are made on."""
    dumped = fold(records).dump()
    return dumped | {"call_ids": sorted(dumped.get("call_ids", []))}


def rows(records: Sequence[Record]) -> tuple[MissionRow, dict[RunId, RunRow]]:
    """What lists and budgets read."""
    mission: MissionRow | None = None
    runs: dict[RunId, RunRow] = {}
    for record in records:
        mission = project_mission(mission, record)
        for run in project_runs(runs.get, mission, record):
            runs[run.run_id] = run
    assert mission is not None
    return mission, runs


def messages(records: Sequence[Record]) -> list[Any]:
    """What the model would see next."""
    conversation = Conversation()
    for record in records:
        conversation.apply(record)
    body = conversation.encode_request("test/model", 100).body
    return pydantic_core.from_json(body)["messages"]


def as_sent(record: Record) -> EncodedRecord:
    """The record as streams take it."""
    return EncodedRecord(
        record.seq, record.owner_seq, record.mission_id, record.event.type, encode(record)
    )


def _plain(value: dict[str, Any]) -> Any:
    return pydantic_core.to_jsonable_python(value)
