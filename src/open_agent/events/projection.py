"""How each event changes the rows that lists, claims and budgets read.

Pure functions over plain rows. Both databases call them in the transaction that appends the
event, and `store/rebuild.py` calls them over a whole log: the results must be the same. Knows
nothing of SQL, of leases, or of who appends.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
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
    """Those of `waiting` that the active run takes at its next model call."""


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
    row = replace(row, updated_at=record.at, last_seq=record.seq)
    match event:
        case MessageReceived() | CancelRequested():
            return _spoken_to(row, event, record.at)
        case RunStarted() | RunWaiting() | RunFinished():
            return _run_changed(row, event, record)
        case ModelAsked() | ModelAnswered() | ModelFailed():
            return _model_called(_at_work(row), event)
        case RunRecovered() | ToolCalled() | ToolReturned() | NoticeGiven() | HistoryCompacted():
            return _at_work(row)
        case UnknownEvent():
            return row
        case _:
            assert_never(event)


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


def _spoken_to(
    row: MissionRow, event: MessageReceived | CancelRequested, at: datetime
) -> MissionRow:
    if row.run_state is RunState.WAITING:
        wake_at = at if row.wake_at is None else min(at, row.wake_at)
        row = replace(row, wake_at=wake_at, ready_at=wake_at)
    if isinstance(event, CancelRequested):
        return row
    is_steering = event.delivery == "steer" and row.run_state in _ACTIVE
    row = replace(
        row,
        waiting=(*row.waiting, event.message_id),
        steering=(*row.steering, event.message_id) if is_steering else row.steering,
        model=row.model or _optional(event.options.model),
    )
    if row.run_state in _ACTIVE or row.run_state is RunState.QUEUED:
        return row
    return replace(row, run_state=RunState.QUEUED, ready_at=at)


def _run_changed(
    row: MissionRow, event: RunStarted | RunWaiting | RunFinished, record: Record
) -> MissionRow:
    match event:
        case RunStarted():
            taken = frozenset(event.message_ids)
            return replace(
                row,
                run_id=record.run_id,
                run_state=RunState.RUNNING,
                outcome=None,
                reason=None,
                result=None,
                model=_clean(event.model),
                steps=0,
                wake_at=None,
                ready_at=record.at,
                waiting=_without(row.waiting, taken),
                steering=_without(row.steering, taken),
            )
        case RunWaiting():
            return replace(
                row,
                run_state=RunState.WAITING,
                reason=_clean(event.reason),
                wake_at=event.until,
                ready_at=event.until,
            )
        case RunFinished():
            return replace(
                row,
                run_state=RunState.QUEUED if row.waiting else RunState.FINISHED,
                outcome=event.outcome,
                reason=_clean(event.reason),
                result=_cut(event.result),
                steps=event.steps,
                wake_at=None,
                ready_at=record.at if row.waiting else None,
                steering=(),
            )


def _model_called(row: MissionRow, event: ModelAsked | ModelAnswered | ModelFailed) -> MissionRow:
    if isinstance(event, ModelAsked):
        if event.purpose == "step" and row.steering:
            waiting = _without(row.waiting, frozenset(row.steering))
            return replace(row, waiting=waiting, steering=())
        return row
    row = replace(row, usage=row.usage + event.usage, spent=row.spent + event.cost_microdollars)
    if isinstance(event, ModelAnswered) and event.purpose == "step":
        return replace(row, steps=row.steps + 1, model=_clean(event.model))
    return row


def _at_work(row: MissionRow) -> MissionRow:
    if row.run_state is not RunState.WAITING:
        return row
    return replace(
        row,
        run_state=RunState.RUNNING,
        reason=None,
        wake_at=None,
        ready_at=row.updated_at,
    )


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
