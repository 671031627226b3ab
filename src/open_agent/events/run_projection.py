"""How each event changes the rows of runs, which budgets are kept on.

Pure functions over plain rows, as `projection.py`, which has the missions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.core.run import Outcome, Usage
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.projection import MissionRow
from open_agent.events.record import Record

CHANGES_RUNS = (RunStarted, ModelAsked, ModelAnswered, ModelFailed, RunFinished)
"""The events that change a run's row."""


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
        case ModelAnswered(purpose="subagent") | ModelFailed(purpose="subagent"):
            # Beside the call of the run itself, whose reservation stays.
            return replace(
                row, spent=row.spent + event.cost_microdollars, usage=row.usage + event.usage
            )
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
    find: Callable[[RunId], RunRow | None], row: MissionRow, record: Record
) -> list[RunRow]:
    """Every run's row that `record` changes: its own run's, and that of the root it draws on.

    `row` is the mission's. Copied records change none: what they cost was paid where they happened.
    """
    if record.run_id is None or not isinstance(record.event, CHANGES_RUNS):
        return []
    if record.seq <= row.copies_until:
        return []
    before = find(record.run_id)
    if before is not None and before.mission_id != row.id:
        # What closes a copied run; the run itself is the other mission's.
        return []
    after = project_run(before, row.owner_id, record)
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
