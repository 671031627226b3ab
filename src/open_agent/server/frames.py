"""Events as the frames of the two streams, and as the log entries of a task.

Everything here is a pure function of one record, so that the poll, the live stream and a stream
resumed years later agree. Which frames exist, and in which order, is part of the wire: a cursor
`<seq>.<k>` names the `k`-th frame of the record `seq`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pydantic_core
from pydantic import BaseModel

from open_agent.events.delta import Delta
from open_agent.events.log import EncodedRecord
from open_agent.events.model.backend import BackendNoted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import ModelAnswered, ModelFailed
from open_agent.events.model.run import RunFinished
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.record import Record
from open_agent.server.wire import (
    STATUS_OF_OUTCOME,
    EntryType,
    LogEntry,
    TaskDone,
    TaskStatus,
    task_result,
)

SHOWN_TYPES = frozenset({
    "model.answered", "model.failed", "tool.called", "tool.returned", "backend.noted",
    "run.finished",
})  # fmt: skip
"""Events that a task's log and stream show; all others become no frame."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of one record, as bytes; `is_last` when the stream ends after them."""

    items: tuple[bytes, ...]
    is_last: bool = False


def decode(record: EncodedRecord) -> Record:
    """A record from its bytes."""
    return Record.model_validate_json(record.json)


def entries(record: Record) -> list[LogEntry]:
    """The log entries that a record becomes.

    | event | entries |
    |---|---|
    | `model.answered` | its reasoning as `thinking`; its text as `thinking` when it calls tools, as \
`response` when not |
    | `tool.called` | `tool_call`: the name, a space, the arguments as JSON |
    | `tool.returned` | `tool_result`: what the model was shown |
    | `model.failed` | `error` |
    | `backend.noted` | `thinking`: what the backend did |
    | `run.finished` | `error` when the task failed |

    What a subagent says is `thinking`, all of it. A model call that compacts the history is
    housekeeping and not shown. Blank texts are left out.
    """
    event = record.event
    found: list[tuple[EntryType, str]] = []
    match event:  # The commonest first: a check that fails costs more than one that succeeds.
        case ToolReturned():
            # An empty result is a result: a `tool_call` without its answer would look unfinished.
            found = [(EntryType.TOOL_RESULT, event.content or "(no output)")]
        case ToolCalled():
            arguments = pydantic_core.to_json(event.arguments).decode()
            found = [(EntryType.TOOL_CALL, f"{event.name} {arguments}")]
        case ModelAnswered() if event.purpose == "step":
            kind = EntryType.THINKING if event.tool_calls else EntryType.RESPONSE
            found = [(EntryType.THINKING, event.reasoning), (kind, event.text)]
        case ModelAnswered(purpose="subagent"):
            found = [(EntryType.THINKING, event.reasoning), (EntryType.THINKING, event.text)]
        case ModelFailed() if event.purpose != "compaction":
            found = [(EntryType.ERROR, event.message)]
        case BackendNoted():
            found = [(EntryType.THINKING, event.message)]
        case RunFinished() if STATUS_OF_OUTCOME[event.outcome] is TaskStatus.FAILED:
            found = [(EntryType.ERROR, event.result)]
        case _:
            pass
    return [
        LogEntry(timestamp=record.at, entry_type=kind, content=content)
        for kind, content in found
        if content and not content.isspace()
    ]


def instruction(records: Iterable[EncodedRecord]) -> str:
    """What a task asks for: its first message, which is one of its first records."""
    for record in records:
        if record.type == "message.received":
            event = decode(record).event
            return event.content if isinstance(event, MessageReceived) else ""
    return ""


def log_entries(records: Iterable[EncodedRecord]) -> list[LogEntry]:
    """The whole log of a task from its records."""
    return [
        entry
        for record in records
        if record.type in SHOWN_TYPES
        for entry in entries(decode(record))
    ]


def task_frames(record: EncodedRecord) -> Frames:
    """A record in a task's stream: a `log` frame per entry, and `done` at the end."""
    if record.type not in SHOWN_TYPES:
        return Frames(())
    decoded = decode(record)
    items = [
        frame(b"log", to_json(entry), id_=b"%d.%d" % (record.seq, k))
        for k, entry in enumerate(entries(decoded))
    ]
    if record.type != "run.finished" or not isinstance(decoded.event, RunFinished):
        return Frames(tuple(items))
    done = TaskDone(
        status=STATUS_OF_OUTCOME[decoded.event.outcome],
        result=task_result(decoded.event.outcome, decoded.event.result),
    )
    items.append(frame(b"done", to_json(done), id_=b"%d.%d" % (record.seq, len(items))))
    return Frames(tuple(items), is_last=True)


def mission_frames(record: EncodedRecord) -> Frames:
    """A record in a mission's stream: itself, named by its event's type."""
    return Frames((frame(record.type.encode(), record.json, id_=b"%d.0" % record.seq),))


def delta_frame(delta: Delta) -> bytes:
    """Live text, without an id: nothing is resumed from it."""
    return frame(b"delta", to_json(delta))


def to_json(value: BaseModel) -> bytes:
    """A value as the bytes of its JSON."""
    return value.__pydantic_serializer__.to_json(value)


def frame(event: bytes, data: bytes, *, id_: bytes | None = None) -> bytes:
    """One server-sent event. Line breaks in `data` are between tokens of JSON, if anywhere."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.splitlines())
    if id_ is None:
        return b"event: %b\ndata: %b\n\n" % (event, data)
    return b"event: %b\nid: %b\ndata: %b\n\n" % (event, id_, data)
