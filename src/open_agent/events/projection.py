"""How each event changes the rows that lists, claims and budgets read.

Pure functions over plain rows. Both databases call them in the transaction that appends the
event, and `store/rebuild.py` calls them over a whole log: the results must be the same. Knows
nothing of SQL, of leases, or of who appends.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import assert_never

from open_agent.core.ids import CallId, MissionId, RunId, UserId, WorkspaceId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.events.model.answer import (
    AnswerDefaulted,
    AnswerGiven,
    AnswerRequested,
    QuestionKind,
)
from open_agent.events.model.backend import BackendNoted, BackendPrompted, FilesChanged
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import (
    MissionCreated,
    MissionDeleted,
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
)
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import UnknownEvent
from open_agent.events.model.workspace import WorkspaceAwaited, WorkspacePrepared
from open_agent.events.record import Record

MAX_RESULT_BYTES = 64 * 1024
"""How much of a run's last word the mission's row keeps."""

SpokenEvent = (
    MessageReceived
    | CancelRequested
    | AnswerRequested
    | AnswerGiven
    | AnswerDefaulted
    | MessageRemoved
    | MessageEdited
    | MessageMoved
    | QueueReleased
    | MissionRenamed
    | MissionStatusChanged
    | MissionSelected
    | MissionDeleted
)
"""What is not the work of a run itself."""

_ACTIVE = (RunState.RUNNING, RunState.WAITING)


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What a call of the newest run asked a person, answered or not."""

    call_id: CallId
    name: str
    kind: QuestionKind
    until: datetime
    is_settled: bool = False


@dataclass(slots=True)
class MissionRow:
    """A mission as its row has it: what people see of it, and what waits to be done."""

    id: MissionId
    owner_id: UserId
    kind: MissionKind
    title: str | None
    workspace: str
    host_id: str
    """Which host the workspace is on."""
    created_at: datetime
    updated_at: datetime
    last_seq: int
    parent_id: MissionId | None = None
    """The mission that delegated this one."""
    wanted_model: str | None = None
    """For runs whose message names none."""
    workspace_id: WorkspaceId | None = None
    """A workspace that is made, and not only a directory."""
    copies_until: int = 0
    """The `seq` of the last record that was copied from another mission."""
    status: MissionStatus = MissionStatus.ACTIVE
    summary: str | None = None
    """What was said when the status was set."""
    status_at: datetime | None = None
    """When the status was set last."""
    run_id: RunId | None = None
    run_state: RunState = RunState.IDLE
    outcome: Outcome | None = None
    reason: str | None = None
    result: str | None = None
    model: str | None = None
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    spent: int = 0
    """Micro-dollars, by all runs of this mission and not by those they delegated to."""
    wake_at: datetime | None = None
    ready_at: datetime | None = None
    """Since when, or from when, a worker should hold it; absent while there is nothing to do."""
    messages: int = 0
    """Received in all."""
    queued: int = 0
    """Messages that no run has taken yet; `queue.py` has them."""
    steered: int = 0
    """Those of them that any run takes at its next model call, as `fold.py` has it."""
    is_held: bool = False
    """A cancel stopped the queue."""
    questions: tuple[OpenQuestion, ...] = ()


_all_fields = attrgetter(*(field.name for field in fields(MissionRow)))


def project_mission(row: MissionRow | None, record: Record) -> MissionRow:
    """The mission's row after `record`; `row` is absent for the first record alone."""
    event = record.event
    if isinstance(event, MissionCreated):
        return MissionRow(
            id=record.mission_id,
            owner_id=event.owner_id,
            kind=event.kind,
            title=_optional(event.title),
            workspace=_clean(event.workspace),
            host_id=event.host_id,
            created_at=record.at,
            updated_at=record.at,
            last_seq=record.seq,
            parent_id=event.parent and event.parent.mission_id,
            wanted_model=_optional(event.model),
            workspace_id=event.workspace_id,
            copies_until=event.forked_from.copies + 1 if event.forked_from else 0,
        )
    if row is None:
        raise ValueError(f"The log of {record.mission_id} does not begin with mission.created")
    # `dataclasses.replace` would take 5 µs for each change of an append that takes 60 in all.
    row = MissionRow(*_all_fields(row))
    if not isinstance(event, MissionSelected):
        row.updated_at = record.at
    row.last_seq = record.seq
    match event:
        case ToolCalled() | ToolReturned() | NoticeGiven() | RunRecovered() | HistoryCompacted():
            _go_on(row, event.call_id if isinstance(event, ToolReturned) else None)
        case ModelAsked() | ModelAnswered() | ModelFailed():
            _go_on(row)
            _take_model_call(row, event, is_copy=record.seq <= row.copies_until)
        case WorkspaceAwaited() | WorkspacePrepared() | BackendNoted() | FilesChanged():
            _go_on(row)
        case BackendPrompted():
            _go_on(row)
            _take_prompt(row, event)
        case RunStarted() | RunWaiting() | RunFinished():
            _live(row, event, record.run_id)
        case UnknownEvent():
            pass
        case _:
            _hear(row, event)
    return row


def _live(
    row: MissionRow, event: RunStarted | RunWaiting | RunFinished, run_id: RunId | None
) -> None:
    """A run begins, waits or ends."""
    match event:
        case RunStarted():
            _start_run(row, event, run_id)
        case RunWaiting():
            row.run_state, row.reason = RunState.WAITING, _clean(event.reason)
            row.wake_at = row.ready_at = event.until
        case RunFinished():
            _finish_run(row, event)


def _hear(row: MissionRow, event: SpokenEvent) -> None:
    """Somebody says something, or is asked."""
    match event:
        case MessageReceived() | CancelRequested():
            _take_word(row, event)
        case AnswerRequested() | AnswerGiven() | AnswerDefaulted():
            _take_answer(row, event)
        case MessageRemoved() | QueueReleased():
            _change_queue(row, event)
        case MissionRenamed():
            row.title = _clean(event.title)
        case MissionStatusChanged():
            row.status, row.summary = event.status, _optional(event.summary)
            row.status_at = row.updated_at
        case MissionSelected() | MissionDeleted() | MessageEdited() | MessageMoved():
            pass
        case _:
            assert_never(event)


def _go_on(row: MissionRow, answered: CallId | None = None) -> None:
    """Something was done, and perhaps a call answered: a run that waited waits no longer."""
    if answered is not None and row.questions:
        _settle(row, answered)
    if row.run_state is RunState.WAITING:
        row.run_state, row.reason = RunState.RUNNING, None
        row.wake_at, row.ready_at = None, row.updated_at


def _take_prompt(row: MissionRow, event: BackendPrompted) -> None:
    """A backend was told what steers, which waits no longer."""
    if event.cause == "steer":
        row.queued = max(0, row.queued - len(event.message_ids))
        row.steered = max(0, row.steered - len(event.message_ids))


def _take_word(row: MissionRow, event: MessageReceived | CancelRequested) -> None:
    """Somebody spoke: a run that waits is woken, a mission that rests gets something to do."""
    at, is_active = row.updated_at, row.run_state in _ACTIVE
    if row.run_state is RunState.WAITING:
        row.wake_at = row.ready_at = at if row.wake_at is None else min(at, row.wake_at)
    if isinstance(event, CancelRequested):
        if row.kind is MissionKind.MISSION:
            row.is_held = True
            _rest(row)
        return
    row.messages += 1
    row.queued += 1
    row.steered += event.delivery == "steer"
    row.model = row.model or _optional(event.options.model)
    row.is_held = False
    if row.status is not MissionStatus.ACTIVE:
        row.status, row.summary, row.status_at = MissionStatus.ACTIVE, None, at
    if not is_active:
        _queue_up(row)


def _change_queue(row: MissionRow, event: MessageRemoved | QueueReleased) -> None:
    if isinstance(event, QueueReleased):
        row.is_held = False
        if row.queued and row.run_state not in _ACTIVE:
            _queue_up(row)
        return
    row.queued = max(0, row.queued - 1)
    if not row.queued:
        _rest(row)


def _queue_up(row: MissionRow) -> None:
    """A mission that rested has something to do."""
    if row.run_state is not RunState.QUEUED:
        row.run_state, row.ready_at = RunState.QUEUED, row.updated_at


def _rest(row: MissionRow) -> None:
    """A mission that waited for a worker has nothing to do now."""
    if row.run_state is RunState.QUEUED:
        row.run_state = RunState.IDLE if row.run_id is None else RunState.FINISHED
        row.ready_at = None


def _take_answer(row: MissionRow, event: AnswerRequested | AnswerGiven | AnswerDefaulted) -> None:
    """A question is asked, or settled: a run that waits for it goes on."""
    if isinstance(event, AnswerRequested):
        asked = OpenQuestion(event.call_id, _clean(event.name), event.kind, event.until)
        # A call that was allowed may still have a question of its own.
        others = (each for each in row.questions if each.call_id != event.call_id)
        row.questions = (*others, asked)
        return
    _settle(row, event.call_id)
    if row.run_state is RunState.WAITING:
        at = row.updated_at
        row.wake_at = row.ready_at = at if row.wake_at is None else min(at, row.wake_at)


def _settle(row: MissionRow, call_id: CallId) -> None:
    """Nobody is waited for about a call any more; a backend may have been answered by itself."""
    row.questions = tuple(
        replace(question, is_settled=True) if question.call_id == call_id else question
        for question in row.questions
    )


def _start_run(row: MissionRow, event: RunStarted, run_id: RunId | None) -> None:
    row.run_id, row.run_state = run_id, RunState.RUNNING
    row.outcome = row.reason = row.result = row.wake_at = None
    row.model, row.steps = _clean(event.model), 0
    row.ready_at = row.updated_at
    row.queued, row.steered = max(0, row.queued - len(event.message_ids)), 0
    row.questions = ()


def _finish_run(row: MissionRow, event: RunFinished) -> None:
    goes_on = row.queued > 0 and not row.is_held
    row.run_state = RunState.QUEUED if goes_on else RunState.FINISHED
    row.outcome, row.reason = event.outcome, _clean(event.reason)
    row.result, row.steps = _cut(event.result), event.steps
    row.wake_at, row.ready_at = None, row.updated_at if goes_on else None
    row.questions = ()


def _take_model_call(
    row: MissionRow, event: ModelAsked | ModelAnswered | ModelFailed, *, is_copy: bool
) -> None:
    if isinstance(event, ModelAsked):
        if event.purpose == "step" and row.steered:
            row.queued, row.steered = max(0, row.queued - row.steered), 0
        return
    if not is_copy:
        row.usage += event.usage
        row.spent += event.cost_microdollars
    if isinstance(event, ModelAnswered) and event.purpose == "step":
        row.steps += 1
        row.model = _clean(event.model)


def _cut(text: str) -> str:
    text = _clean(text)
    if len(text) * 4 <= MAX_RESULT_BYTES:
        return text
    return text.encode()[:MAX_RESULT_BYTES].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    """Text that every database can hold: no NUL, no lone surrogates (as `codec.py` writes it)."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _optional(text: str | None) -> str | None:
    return None if text is None else _clean(text)
