"""The messages of a mission that no run has taken: their order, and what may be done to them.

Pure functions over plain rows, as `projection.py`, for the queue alone: it can be ten thousand
messages long, so it is a table of its own and never read where one event changes one row.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from open_agent.core.errors import Conflict, LimitReached, NotFound, OpenAgentError
from open_agent.core.ids import MessageId, MissionId
from open_agent.events.model.answer import AnswerGiven
from open_agent.events.model.backend import BackendPrompted
from open_agent.events.model.message import Delivery, MessageReceived
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.queue import MessageEdited, MessageMoved, MessageRemoved
from open_agent.events.model.run import RunStarted
from open_agent.events.model.union import Event
from open_agent.events.projection import MissionRow
from open_agent.events.record import Record

LONGEST_QUEUE = 10_000
"""Messages that may wait in one mission."""

LONGEST_POSITION = 2000
"""Digits that a move may lead to: 8,000 moves into one gap. PostgreSQL indexes no more than 2,700."""

_DIGITS = 15


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A message that waits."""

    mission_id: MissionId
    message_id: MessageId
    seq: int
    position: str
    """Digits after a decimal point: the order of the queue is that of these fractions."""
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages that wait no longer."""

    mission_id: MissionId
    message_ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class SteeringTaken:
    """All steering messages of a mission wait no longer."""

    mission_id: MissionId


QueueChange = QueueRow | Taken | SteeringTaken
"""A row to write over whatever the message had, or rows to drop."""

CHANGES_QUEUE = frozenset(
    (
        *("message.received", "run.started", "model.asked", "backend.prompted"),
        *("message.removed", "message.moved"),
    )
)
"""The events that change a queue; asked first, since nearly all do not."""

ReadQueue = Callable[[], Sequence[QueueRow]]
"""The mission's whole queue in its order; asked only where a person changes it."""


def project_queue(row: MissionRow, record: Record, queue: ReadQueue) -> QueueChange | None:
    """What `record` changes in the queue of the mission whose row was `row` before it."""
    event = record.event
    if event.type not in CHANGES_QUEUE:
        return None
    match event:
        case MessageReceived():
            position = _position(record.seq)
            return QueueRow(row.id, event.message_id, record.seq, position, event.delivery)
        case RunStarted():
            return Taken(row.id, tuple(event.message_ids))
        case ModelAsked() if event.purpose == "step" and row.steered:
            return SteeringTaken(row.id)
        case BackendPrompted() if event.cause == "steer":
            return Taken(row.id, tuple(event.message_ids))
        case MessageRemoved():
            return Taken(row.id, (event.message_id,))
        case MessageMoved():
            return _moved(event, record.seq, queue())
        case _:
            return None


def apply_change(rows: Iterable[QueueRow], *changes: QueueChange) -> list[QueueRow]:
    """A mission's queue, in its order, after some changes."""
    by_id = {row.message_id: row for row in rows}
    for change in changes:
        match change:
            case QueueRow():
                by_id[change.message_id] = change
            case Taken():
                for message_id in change.message_ids:
                    by_id.pop(message_id, None)
            case SteeringTaken():
                by_id = {id_: row for id_, row in by_id.items() if row.delivery != "steer"}
    return sorted(by_id.values(), key=lambda row: row.position)


def refusal(row: MissionRow, event: Event, queue: ReadQueue) -> OpenAgentError | None:
    """Why `event` may not be appended by somebody without a lease; none when it may."""
    match event:
        case MessageReceived() if row.queued >= LONGEST_QUEUE:
            return LimitReached(
                "queue.full",
                f"{row.queued:,} messages wait in this mission already, which is the most it"
                " takes. Wait until some are done, or remove some.",
            )
        case MessageEdited() | MessageRemoved():
            return _refuse_unless_waiting([event.message_id], queue())
        case MessageMoved():
            return _refuse_move(event, queue())
        case AnswerGiven():
            return _refuse_answer(row, event)
        case _:
            return None


def between(before: str, after: str) -> str:
    """Digits that come after `before` and before `after`; `before` may be empty."""
    digits = max(len(before), len(after))
    low, high = int(before.ljust(digits, "0") or "0"), int(after.ljust(digits, "0"))
    while high - low < 2:
        digits, low, high = digits + 1, low * 10, high * 10
    return f"{(low + high) // 2:0{digits}d}"


def _moved(event: MessageMoved, seq: int, queue: Sequence[QueueRow]) -> QueueRow | None:
    found = next((row for row in queue if row.message_id == event.message_id), None)
    if found is None:
        return None
    others = [row for row in queue if row is not found]
    place = next((n for n, row in enumerate(others) if row.message_id == event.before), None)
    if place is None:
        return replace(found, position=_position(seq))
    before = others[place - 1].position if place else ""
    return replace(found, position=between(before, others[place].position))


def _refuse_unless_waiting(
    named: Sequence[MessageId], queue: Sequence[QueueRow]
) -> OpenAgentError | None:
    waiting = {row.message_id for row in queue if row.delivery == "queue"}
    for message_id in named:
        if message_id not in waiting:
            return Conflict(
                "message.not_waiting",
                f"The message {message_id} does not wait in this mission's queue: its run has"
                " begun, or it was removed. Look at the queue again.",
            )
    return None


def _refuse_move(event: MessageMoved, queue: Sequence[QueueRow]) -> OpenAgentError | None:
    named = [event.message_id, *([event.before] if event.before else [])]
    refused = _refuse_unless_waiting(named, queue)
    if refused is not None:
        return refused
    moved = _moved(event, 0, queue)
    if moved is not None and len(moved.position) > LONGEST_POSITION:
        return Conflict(
            "queue.crowded",
            f"Too much was moved to right before the message {event.before} already. Move that one"
            " to the end of the queue first, or put this one somewhere else.",
        )
    return None


def _refuse_answer(row: MissionRow, event: AnswerGiven) -> OpenAgentError | None:
    for question in row.questions:
        if question.call_id == event.call_id:
            if not question.is_settled:
                return None
            return Conflict(
                "answer.late", f"The call {event.call_id} has been answered already, or timed out."
            )
    return NotFound("answer.unknown", f"No call {event.call_id} waits for an answer.")


def _position(seq: int) -> str:
    return f"{seq:0{_DIGITS}d}"
