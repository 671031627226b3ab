"""How each event changes the rows that lists, claims and budgets read.

Pure functions over plain rows. Both databases call them in the transaction that appends the
event, and `store/rebuild.py` calls them over a whole log: the results must be the same. Knows
nothing of SQL, of leases, or of who appends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import assert_never

from open_agent.core.ids import MessageId, MissionId, RunId, UserId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record

MAX_RESULT_BYTES = 64 * 1024
"""How much of a run's last word the mission's row keeps."""

CHANGES_RUNS = (RunStarted, ModelAsked, ModelAnswered, ModelFailed, RunFinished)
"""The events that change a run's row."""

_ACTIVE = (RunState.RUNNING, RunState.WAITING)


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
    status: MissionStatus = MissionStatus.ACTIVE
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
    waiting: tuple[MessageId, ...] = ()
    """Messages that no run has taken yet, oldest first."""
    steering: tuple[MessageId, ...] = ()
    """Those of `waiting` that any run takes at its next model call, as `fold.py` has it."""


@dataclass(slots=True)
class RunRow:
    """A run as its row has it: its limits, what it used, and what is reserved on its budget."""

    run_id: RunId
    root_run_id: RunId
    mission_id: MissionId
    owner_id: UserId
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    budget: int = 0
    """Micro-dollars; 0 means no budget. Only a root's counts."""
    spent: int = 0
    """By this run and, on a root, by every run that draws on it."""
    reserved: int = 0
    """Worst cases of calls in flight, of this run and of those that draw on it."""
    asked: int = 0
    """The part of `reserved` that is this run's own."""
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    """By this run alone."""


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
        )
    if row is None:
        raise ValueError(f"The log of {record.mission_id} does not begin with mission.created")
    # `dataclasses.replace` would take 5 µs for each change of an append that takes 60 in all.
    row = MissionRow(*_all_fields(row))
    row.updated_at, row.last_seq = record.at, record.seq
    match event:
        case ToolCalled() | ToolReturned() | NoticeGiven() | RunRecovered() | HistoryCompacted():
            _go_on(row)
        case ModelAsked() | ModelAnswered() | ModelFailed():
            _go_on(row)
            _take_model_call(row, event)
        case MessageReceived() | CancelRequested():
            _take_word(row, event)
        case RunStarted():
            _start_run(row, event, record.run_id)
        case RunWaiting():
            row.run_state, row.reason = RunState.WAITING, _clean(event.reason)
            row.wake_at = row.ready_at = event.until
        case RunFinished():
            _finish_run(row, event)
        case UnknownEvent():
            pass
        case _:
            assert_never(event)
    return row


def project_run(row: RunRow | None, owner: UserId, record: Record) -> RunRow | None:
    """The row of the run that `record` belongs to, after it; absent while it has not started."""
    event = record.event
    if isinstance(event, RunStarted) and record.run_id is not None:
        return RunRow(
            run_id=record.run_id,
            root_run_id=event.root_run_id,
            mission_id=record.mission_id,
            owner_id=owner,
            started_at=record.at,
            budget=event.limits.budget_microdollars,
        )
    if row is None:
        return None
    match event:
        case ModelAsked() if row.finished_at is None:
            amount = event.reserved_microdollars
            return replace(row, asked=row.asked + amount, reserved=row.reserved + amount)
        case ModelAnswered() | ModelFailed():
            is_step = isinstance(event, ModelAnswered) and event.purpose == "step"
            return replace(
                row,
                asked=0,
                reserved=max(0, row.reserved - row.asked),
                spent=row.spent + event.cost_microdollars,
                usage=row.usage + event.usage,
                steps=row.steps + is_step,
            )
        case RunFinished():
            return replace(
                row,
                finished_at=record.at,
                outcome=event.outcome,
                steps=event.steps,
                asked=0,
                reserved=0,
            )
        case _:
            return row


def project_runs(
    find: Callable[[RunId], RunRow | None], owner: UserId, record: Record
) -> list[RunRow]:
    """Every run's row that `record` changes: its own run's, and that of the root it draws on."""
    if record.run_id is None or not isinstance(record.event, CHANGES_RUNS):
        return []
    before = find(record.run_id)
    after = project_run(before, owner, record)
    if after is None:
        return []
    root = before and find(before.root_run_id)
    if before is None or root is None or root.run_id == after.run_id:
        return [after]
    return [after, _draw_on_root(root, before, after)]


def fits_budget(root: RunRow, ask: int) -> bool:
    """Whether a call whose worst case is `ask` may be made on the root's budget."""
    return root.budget == 0 or root.spent + root.reserved + ask <= root.budget


def _draw_on_root(root: RunRow, before: RunRow, after: RunRow) -> RunRow:
    """The root's row after a run that draws on it changed from `before` to `after`."""
    reserved = 0 if root.finished_at else max(0, root.reserved + after.asked - before.asked)
    return replace(root, reserved=reserved, spent=root.spent + after.spent - before.spent)


def _go_on(row: MissionRow) -> None:
    """Something was done: a run that waited waits no longer."""
    if row.run_state is RunState.WAITING:
        row.run_state, row.reason = RunState.RUNNING, None
        row.wake_at, row.ready_at = None, row.updated_at


def _take_word(row: MissionRow, event: MessageReceived | CancelRequested) -> None:
    """Somebody spoke: a run that waits is woken, a mission that rests gets something to do."""
    at, is_active = row.updated_at, row.run_state in _ACTIVE
    if row.run_state is RunState.WAITING:
        row.wake_at = row.ready_at = at if row.wake_at is None else min(at, row.wake_at)
    if isinstance(event, CancelRequested):
        return
    row.waiting = (*row.waiting, event.message_id)
    row.model = row.model or _optional(event.options.model)
    if event.delivery == "steer":
        row.steering = (*row.steering, event.message_id)
    if not is_active and row.run_state is not RunState.QUEUED:
        row.run_state, row.ready_at = RunState.QUEUED, at


def _start_run(row: MissionRow, event: RunStarted, run_id: RunId | None) -> None:
    taken = frozenset(event.message_ids)
    row.run_id, row.run_state = run_id, RunState.RUNNING
    row.outcome = row.reason = row.result = row.wake_at = None
    row.model, row.steps = _clean(event.model), 0
    row.ready_at = row.updated_at
    row.waiting = _without(row.waiting, taken)
    row.steering = _without(row.steering, taken)


def _finish_run(row: MissionRow, event: RunFinished) -> None:
    row.run_state = RunState.QUEUED if row.waiting else RunState.FINISHED
    row.outcome, row.reason = event.outcome, _clean(event.reason)
    row.result, row.steps = _cut(event.result), event.steps
    row.wake_at, row.ready_at = None, row.updated_at if row.waiting else None


def _take_model_call(row: MissionRow, event: ModelAsked | ModelAnswered | ModelFailed) -> None:
    if isinstance(event, ModelAsked):
        if event.purpose == "step" and row.steering:
            row.waiting = _without(row.waiting, frozenset(row.steering))
            row.steering = ()
        return
    row.usage += event.usage
    row.spent += event.cost_microdollars
    if isinstance(event, ModelAnswered) and event.purpose == "step":
        row.steps += 1
        row.model = _clean(event.model)


def _without(messages: tuple[MessageId, ...], taken: frozenset[MessageId]) -> tuple[MessageId, ...]:
    return tuple(message for message in messages if message not in taken)


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
