"""Events as the frames of the control stream.

A pure function of a record and of what the log said before it, so that live, replayed and resumed
streams agree. Which frames a record becomes, and in which order, is part of the wire: a cursor
`<owner_seq>.<k>` names the `k`-th frame of the record `owner_seq`.
"""

from typing import Any, cast

import pydantic_core

from open_agent.core.mission import MissionKind
from open_agent.core.money import to_cents
from open_agent.core.run import Outcome
from open_agent.events.log import EncodedRecord
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.backend import BackendNoted, BackendPrompted, FilesChanged
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import (
    MissionCreated,
    MissionDeleted,
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
)
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.workspace import WorkspaceAwaited
from open_agent.events.record import Record
from open_agent.server.control import events as wire
from open_agent.server.frames import Frames, decode, frame, to_json
from open_agent.services.control.about import About
from open_agent.services.control.answers import APPROVAL, answered_by, is_ours
from open_agent.services.control.forks import FORKED

OPTIONS_TOOL = "ui_optionList"
"""How the original's clients ask a person."""

OF_CHILDREN = frozenset({
    "mission.created", "run.started", "run.finished", "model.failed", "tool.called",
    "tool.returned", "answer.requested", "answer.given", "answer.defaulted", "mission.deleted",
})  # fmt: skip
"""What is shown of a delegated mission: its tools and its questions, and that it begins and ends.
Its messages and thoughts would stand among those of the mission that a person looks at."""

_SILENT_FAILURES = frozenset({"cancelled", "server.stopped"})
"""Model calls that were cut off on purpose, which something else says."""


def is_shown(type_: str, kind: MissionKind) -> bool:
    """Whether events of a type become frames at all, in missions of a kind."""
    match kind:
        case MissionKind.MISSION:
            return True
        case MissionKind.CHILD:
            return type_ in OF_CHILDREN
        case MissionKind.TASK:
            return False


def control_frames(encoded: EncodedRecord, about: About) -> Frames:
    """The frames of a record.

    | event | frames |
    |---|---|
    | `message.received` | `user_message` |
    | `run.started` | `run_started` |
    | `model.asked` | `agent_phase` |
    | `model.answered` | `thinking`, done: its reasoning and, where it calls tools, its text |
    | `model.failed` | `error` |
    | `tool.called` | `tool_call` |
    | `tool.returned` | `tool_result` |
    | `answer.requested` | `input_requested`, where the call is no UI tool of ours `tool_call` of \
`ui_optionList` first; of an approval that with `allow` and `deny`, and `approval_requested` |
    | `answer.given`, `answer.defaulted` | `question_settled`; where `ui_optionList` was shown for \
it `tool_result` first |
    | `run.waiting`, `run.recovered`, `backend.prompted`, `backend.noted`, \
`workspace.awaited` | `agent_phase` |
    | `files.changed` | `files_changed` |
    | `run.finished` | `assistant_message`, of a delegated run `run_finished` |
    | `cancel.requested` | `error` |
    | `mission.*`, `message.*`, `queue.*` | the same name with `_` |

    Tasks, housekeeping and events of types that this release does not know become none.
    """
    if not is_shown(encoded.type, about.shown.kind):
        return Frames(())
    record = decode(encoded)
    is_child = about.shown.kind is MissionKind.CHILD
    place = {"mission_id": about.shown.mission_id} | (
        {"child_id": record.mission_id} if is_child else {}
    )
    return Frames(
        tuple(
            frame(_name(event), to_json(event), id_=b"%d.%d" % (record.owner_seq, k))
            for k, event in enumerate(_events(record, about, place))
        )
    )


Place = dict[str, Any]


def _events(record: Record, about: About, place: Place) -> list[wire.ControlEvent]:
    event = record.event
    match event:
        case ToolCalled() | ToolReturned():
            return [_tool_event(event, place)]
        case ModelAsked() | ModelAnswered() | ModelFailed():
            return _model_events(event, place)
        case RunStarted() | RunWaiting() | RunRecovered() | RunFinished():
            return _run_events(record, event, about, place)
        case AnswerRequested() | AnswerGiven() | AnswerDefaulted():
            return _answer_events(event, about.question, place)
        case BackendPrompted() | BackendNoted() | FilesChanged():
            return _backend_events(event, place)
        case MessageReceived():
            return [
                wire.UserMessage(
                    id=event.message_id,
                    content=event.content,
                    delivery=event.delivery,
                    cause=event.cause,
                    at=record.at,
                    **place,
                )
            ]
        case CancelRequested() if event.reason == FORKED:
            return []
        case CancelRequested():
            return [wire.ErrorEvent(message="Cancellation requested", code="cancelled", **place)]
        case MessageEdited() | MessageMoved() | MessageRemoved() | QueueReleased():
            return _queue_events(event, place)
        case _:
            return _mission_events(record, place)


def _model_events(
    event: ModelAsked | ModelAnswered | ModelFailed, place: Place
) -> list[wire.ControlEvent]:
    if event.purpose == "compaction":
        if not isinstance(event, ModelAsked):
            return []
        return [_phase("compacting", "Summing up what was said so far", place)]
    match event:
        case ModelAsked():
            detail = f"Step {event.step}: asking {event.model}"
            return [_phase("executing", detail, place, agent=event.model)]
        case ModelAnswered():
            texts = [event.reasoning, event.text if event.tool_calls else ""]
            if event.purpose == "subagent":
                texts = [event.reasoning, event.text]
            content = "\n\n".join(text for text in texts if text and not text.isspace())
            told = wire.Thinking(content=content, done=True, within=event.within, **place)
            return [told] if content else []
        case ModelFailed():
            if event.code in _SILENT_FAILURES:
                return []
            return [wire.ErrorEvent(message=event.message, code=event.code, **place)]


def _backend_events(
    event: BackendPrompted | BackendNoted | FilesChanged, place: Place
) -> list[wire.ControlEvent]:
    match event:
        case BackendPrompted(cause="continue"):
            return [_phase("recovering", "Going on with work that was cut off", place)]
        case BackendPrompted():
            return [_phase("executing", f"Telling {event.backend}", place, agent=event.backend)]
        case BackendNoted():
            phase = "waiting" if event.until else "noted"
            return [_phase(phase, event.message, place)]
        case FilesChanged():
            files = [wire.ChangedFileView(**each.model_dump()) for each in event.files]
            return [wire.FilesChangedEvent(files=files, more=event.more, **place)]


def _run_events(
    record: Record,
    event: RunStarted | RunWaiting | RunRecovered | RunFinished,
    about: About,
    place: Place,
) -> list[wire.ControlEvent]:
    run_id = str(record.run_id)
    match event:
        case RunStarted():
            ids = [str(message_id) for message_id in event.message_ids]
            return [
                wire.RunStartedEvent(run_id=run_id, message_ids=ids, model=event.model, **place)
            ]
        case RunWaiting():
            return [_phase("waiting", event.message, place)]
        case RunRecovered():
            return [_phase("recovering", "Going on where the last server stopped", place)]
        case RunFinished() if event.reason == FORKED:
            return []
        case RunFinished() if about.shown.kind is MissionKind.CHILD:
            return [
                wire.RunFinishedEvent(
                    run_id=run_id,
                    outcome=event.outcome,
                    content=event.result,
                    cost_cents=to_cents(event.cost_microdollars),
                    **place,
                )
            ]
        case RunFinished():
            return [
                wire.AssistantMessage(
                    id=run_id,
                    content=event.result,
                    success=event.outcome is Outcome.SUCCEEDED,
                    cost_cents=to_cents(event.cost_microdollars),
                    model=about.model,
                    outcome=event.outcome,
                    reason=event.reason,
                    at=record.at,
                    **place,
                )
            ]


def _answer_events(
    event: AnswerRequested | AnswerGiven | AnswerDefaulted,
    question: AnswerRequested | None,
    place: Place,
) -> list[wire.ControlEvent]:
    if isinstance(event, AnswerRequested):
        return _question_events(event, place)
    if question is None:
        return []
    is_default = isinstance(event, AnswerDefaulted)
    answer = question.default if isinstance(event, AnswerDefaulted) else event.answer
    asked = answered_by(question)
    settled = wire.AnswerEvent(tool_call_id=asked, is_default=is_default, answer=answer, **place)
    if asked == event.call_id:
        return [settled]
    shown = wire.ToolResultEvent(tool_call_id=asked, name=OPTIONS_TOOL, result=answer, **place)
    return [shown, settled]


def _question_events(event: AnswerRequested, place: Place) -> list[wire.ControlEvent]:
    asked = answered_by(event)
    if event.kind == "input":
        requested = wire.InputRequested(
            tool_call_id=asked,
            name=event.name,
            until=event.until,
            default=event.default,
            **place,
        )
        if is_ours(event):
            return [requested]
        options = input_options(event)
        shown = wire.ToolCallEvent(tool_call_id=asked, name=OPTIONS_TOOL, args=options, **place)
        return [shown, requested]
    return [
        wire.ToolCallEvent(
            tool_call_id=asked, name=OPTIONS_TOOL, args=approval_options(event), **place
        ),
        wire.ApprovalRequested(
            tool_call_id=asked,
            call_id=event.call_id,
            name=event.name,
            args=event.arguments,
            reason=event.reason,
            until=event.until,
            default=event.default,
            **place,
        ),
    ]


def input_options(event: AnswerRequested) -> dict[str, Any]:
    """A question of another tool than ours in the shape of a list of options."""
    decide = {"id": "decide", "label": "Decide yourself", "description": "Take what is reasonable."}
    asked = {"options": [decide], "selectionMode": "single", **event.arguments}
    return {"id": f"option-list-{answered_by(event)}", **asked}


def approval_options(event: AnswerRequested) -> dict[str, Any]:
    """A question about a call in the shape of a list of options."""
    arguments = pydantic_core.to_json(event.arguments).decode()
    return {
        "id": f"option-list-{APPROVAL}{event.call_id}",
        "title": f"May {event.name} run?",
        "description": f"{event.name} {arguments}",
        "selectionMode": "single",
        "minSelections": 1,
        "maxSelections": 1,
        "options": [
            {"id": "allow", "label": "Allow", "description": f"Run {event.name} {arguments}"},
            {"id": "deny", "label": "Deny", "description": "Do not run it, and say so."},
        ],
    }


def _queue_events(
    event: MessageEdited | MessageMoved | MessageRemoved | QueueReleased, place: Place
) -> list[wire.ControlEvent]:
    match event:
        case MessageEdited():
            return [wire.MessageEditedEvent(id=event.message_id, content=event.content, **place)]
        case MessageMoved():
            return [wire.MessageMovedEvent(id=event.message_id, before=event.before, **place)]
        case MessageRemoved():
            return [wire.MessageRemovedEvent(id=event.message_id, **place)]
        case QueueReleased():
            return [wire.QueueReleasedEvent(**place)]


def _mission_events(record: Record, place: Place) -> list[wire.ControlEvent]:
    event = record.event
    match event:
        case MissionCreated():
            origin = event.forked_from
            return [
                wire.MissionCreatedEvent(
                    title=event.title,
                    forked_from=origin.mission_id if origin else None,
                    task=event.parent.call_id if event.parent else None,
                    **place,
                )
            ]
        case MissionStatusChanged():
            return [
                wire.MissionStatusChangedEvent(
                    status=event.status, summary=event.summary, by=event.by, **place
                )
            ]
        case MissionRenamed():
            return [wire.MissionRenamedEvent(title=event.title, **place)]
        case MissionSelected():
            return [wire.MissionSelectedEvent(**place)]
        case MissionDeleted():
            return [wire.MissionDeletedEvent(was_current=event.was_current, **place)]
        case WorkspaceAwaited():
            return [_phase("preparing", event.message, place)]
        case _:
            return []


def _tool_event(event: ToolCalled | ToolReturned, place: Place) -> wire.ControlEvent:
    if isinstance(event, ToolCalled):
        return wire.ToolCallEvent(
            tool_call_id=event.call_id,
            name=event.name,
            args=event.arguments,
            within=event.within,
            **place,
        )
    result: Any = event.content
    if event.name.startswith("ui_") and event.outcome == "ok":
        result = _answer(event.content)
    return wire.ToolResultEvent(
        tool_call_id=event.call_id,
        name=event.name,
        result=result,
        outcome=event.outcome,
        within=event.within,
        **place,
    )


def _answer(content: str) -> Any:
    """A person's answer as clients sent it, where the model was shown it as JSON."""
    try:
        return pydantic_core.from_json(content)
    except ValueError:
        return content


def _phase(phase: str, detail: str, place: Place, agent: str | None = None) -> wire.ControlEvent:
    return wire.AgentPhase(phase=phase, detail=detail, agent=agent, **place)


def _name(event: wire.ControlEvent) -> bytes:
    return cast("str", event.type).encode()  # type: ignore[attr-defined]
