"""Database rows as values and back.

The order of columns is that of `tables.py`; a driver's row is a plain tuple in that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic_core
from pydantic import TypeAdapter

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.core.mission import Mission, MissionKind, MissionStatus, Question
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.events.codec import decode_event, encode_record, make_record, upcast_body
from open_agent.events.log import EncodedRecord
from open_agent.events.model.union import Event, UnknownEvent
from open_agent.events.projection import MissionRow, OpenQuestion
from open_agent.events.queue import QueueRow
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow
from open_agent.events.search import TextRow

Row = Sequence[Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_questions = TypeAdapter(tuple[OpenQuestion, ...])


@dataclass(frozen=True, slots=True)
class OwnerRow:
    """An owner as its row has it."""

    last_seq: int = 0
    current_mission: MissionId | None = None


def to_micros(at: datetime) -> int:
    """A time as the tables have it."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(at: int) -> datetime:
    """A time as the rest of the program has it."""
    return _EPOCH + timedelta(microseconds=at)


@dataclass(slots=True)
class StoredEvent:
    """An event as its row has it; `event` is there when this process has just written it."""

    mission_id: MissionId
    seq: int
    owner_id: UserId
    owner_seq: int
    run_id: RunId | None
    at: datetime
    type: str
    format: int
    key: str | None
    body: bytes
    event: Event | UnknownEvent | None = None

    def record(self) -> Record:
        """As those see it who work with events."""
        event = self.event or decode_event(self.type, self.format, self.body)
        return make_record(self.seq, self.owner_seq, self.at, self.mission_id, self.run_id, event)

    def encoded(self) -> EncodedRecord:
        """As those see it who only pass it on."""
        body = upcast_body(self.type, self.format, self.body)
        json = encode_record(self.seq, self.owner_seq, self.at, self.mission_id, self.run_id, body)
        return EncodedRecord(self.seq, self.owner_seq, self.mission_id, self.type, json)


def event_values(event: StoredEvent) -> tuple[Any, ...]:
    """An event in the order of its table."""
    return (
        event.mission_id,
        event.seq,
        event.owner_id,
        event.owner_seq,
        event.run_id,
        to_micros(event.at),
        event.type,
        event.format,
        event.key,
        event.body.decode(),
    )


def event_from(row: Row) -> StoredEvent:
    """An event from its row."""
    mission_id, seq, owner_id, owner_seq, run_id, at, type_, format_, key, body = row
    return StoredEvent(
        mission_id,
        seq,
        owner_id,
        owner_seq,
        run_id,
        from_micros(at),
        type_,
        format_,
        key,
        body.encode(),
    )


def mission_values(row: MissionRow) -> tuple[Any, ...]:
    """The projected columns of a mission, in the order of its table."""
    return (
        row.id,
        row.owner_id,
        row.kind.value,
        row.title,
        row.workspace,
        row.host_id,
        to_micros(row.created_at),
        to_micros(row.updated_at),
        row.last_seq,
        row.parent_id,
        row.wanted_model,
        row.workspace_id,
        row.copies_until,
        row.status.value,
        row.summary,
        _optional_micros(row.status_at),
        row.run_id,
        row.run_state.value,
        row.outcome.value if row.outcome else None,
        row.reason,
        row.result,
        row.model,
        row.steps,
        *_usage_values(row.usage),
        row.spent,
        _optional_micros(row.wake_at),
        _optional_micros(row.ready_at),
        row.messages,
        row.queued,
        row.steered,
        int(row.is_held),
        pydantic_core.to_json(row.questions).decode() if row.questions else "[]",
    )


def ready_values(row: MissionRow) -> tuple[int | None, MissionId]:
    """When a mission is ready to be worked on, and which it is."""
    return _optional_micros(row.ready_at), row.id


def mission_from(row: Row) -> MissionRow:
    """A mission from the projected columns of its row."""
    return MissionRow(
        id=row[0],
        owner_id=row[1],
        kind=MissionKind(row[2]),
        title=row[3],
        workspace=row[4],
        host_id=row[5],
        created_at=from_micros(row[6]),
        updated_at=from_micros(row[7]),
        last_seq=row[8],
        parent_id=row[9],
        wanted_model=row[10],
        workspace_id=row[11],
        copies_until=row[12],
        status=MissionStatus(row[13]),
        summary=row[14],
        status_at=_optional_time(row[15]),
        run_id=row[16],
        run_state=RunState(row[17]),
        outcome=Outcome(row[18]) if row[18] else None,
        reason=row[19],
        result=row[20],
        model=row[21],
        steps=row[22],
        usage=_usage_from(row[23:28]),
        spent=row[28],
        wake_at=_optional_time(row[29]),
        ready_at=_optional_time(row[30]),
        messages=row[31],
        queued=row[32],
        steered=row[33],
        is_held=bool(row[34]),
        questions=() if row[35] == "[]" else _questions.validate_json(row[35]),
    )


def queue_values(row: QueueRow) -> tuple[Any, ...]:
    """A waiting message in the order of its table."""
    return (row.mission_id, row.message_id, row.seq, row.position, row.delivery)


def queue_from(row: Row) -> QueueRow:
    """A waiting message from its row."""
    return QueueRow(*row)


def text_values(row: TextRow) -> tuple[Any, ...]:
    """A text in the order of its table, without its own number."""
    return (row.mission_id, row.name, row.seq, row.owner_id, row.words)


def text_from(row: Row) -> TextRow:
    """A text from its row."""
    return TextRow(*row)


def owner_values(owner_id: UserId, row: OwnerRow) -> tuple[Any, ...]:
    """An owner in the order of its table."""
    return (owner_id, row.last_seq, row.current_mission)


def run_values(row: RunRow) -> tuple[Any, ...]:
    """A run in the order of its table."""
    return (
        row.run_id,
        row.root_run_id,
        row.mission_id,
        row.owner_id,
        to_micros(row.started_at),
        _optional_micros(row.finished_at),
        row.outcome.value if row.outcome else None,
        row.budget,
        row.spent,
        row.reserved,
        row.asked,
        row.steps,
        *_usage_values(row.usage),
    )


def run_from(row: Row) -> RunRow:
    """A run from its row."""
    return RunRow(
        run_id=row[0],
        root_run_id=row[1],
        mission_id=row[2],
        owner_id=row[3],
        started_at=from_micros(row[4]),
        finished_at=_optional_time(row[5]),
        outcome=Outcome(row[6]) if row[6] else None,
        budget=row[7],
        spent=row[8],
        reserved=row[9],
        asked=row[10],
        steps=row[11],
        usage=_usage_from(row[12:17]),
    )


def mission_entity(row: MissionRow) -> Mission:
    """A mission as people and lists see it."""
    return Mission.model_construct(
        id=row.id,
        owner_id=row.owner_id,
        kind=row.kind,
        title=row.title,
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_seq=row.last_seq,
        parent_id=row.parent_id,
        wanted_model=row.wanted_model,
        summary=row.summary,
        status_at=row.status_at,
        workspace=row.workspace,
        host_id=row.host_id,
        workspace_id=row.workspace_id,
        run_id=row.run_id,
        run_state=row.run_state,
        outcome=row.outcome,
        reason=row.reason,
        result=row.result,
        model=row.model,
        steps=row.steps,
        usage=row.usage,
        spent_microdollars=row.spent,
        wake_at=row.wake_at,
        messages=row.messages,
        queued=row.queued,
        is_held=row.is_held,
        questions=tuple(
            Question(
                call_id=question.call_id,
                name=question.name,
                kind=question.kind,
                until=question.until,
            )
            for question in row.questions
            if not question.is_settled
        ),
    )


def _optional_micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _optional_time(at: int | None) -> datetime | None:
    return None if at is None else from_micros(at)


def _usage_values(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.cached_tokens,
        usage.cache_write_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
    )


def _usage_from(row: Row) -> Usage:
    return Usage.model_construct(
        input_tokens=row[0],
        cached_tokens=row[1],
        cache_write_tokens=row[2],
        output_tokens=row[3],
        reasoning_tokens=row[4],
    )
