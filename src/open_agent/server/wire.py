"""The JSON of the task API, as the original's clients know it, and the one table of its words.

Fields after `log` are ours; clients of the original pass over them.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.mission import Mission
from open_agent.core.money import to_cents
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.store.missions import MissionTotal

ERROR_PREFIX = "Error: "


class TaskStatus(StrEnum):
    """Where a task is, in the original's words."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EntryType(StrEnum):
    """What a log entry shows."""

    THINKING = "thinking"
    TOOL_CALL = "tool_call"
    TOOL_RESULT = "tool_result"
    RESPONSE = "response"
    ERROR = "error"


STATUS_OF_OUTCOME = {
    Outcome.SUCCEEDED: TaskStatus.COMPLETED,
    Outcome.FAILED: TaskStatus.FAILED,
    Outcome.EXHAUSTED: TaskStatus.FAILED,
    Outcome.CANCELLED: TaskStatus.CANCELLED,
}
"""How a run that ended shows in the original's words."""


class Wire(BaseModel):
    """What a reply is made of; clients must pass over fields that they do not know."""

    model_config = ConfigDict(frozen=True)


class LogEntry(Wire):
    """One line of a task's log."""

    timestamp: datetime = Field(description="When it happened, in UTC.")
    entry_type: EntryType = Field(description="What it shows.")
    content: str = Field(description="Text; of a tool call its name and its arguments as JSON.")


class TaskDone(Wire):
    """How a task ended: the last thing its stream says."""

    status: TaskStatus = Field(description="`completed`, `failed` or `cancelled`.")
    result: str | None = Field(
        description="The agent's last word; after a failure what went wrong."
    )


class TaskState(Wire):
    """A task as it is now."""

    id: str = Field(description="The task's id, which is also its mission's.")
    status: TaskStatus = Field(description="Where it is.")
    task: str = Field(description="What was asked for.")
    model: str = Field(
        description="The model that really answered last; before the first answer, the one that "
        "will be asked."
    )
    iterations: int = Field(description="Steps so far: model calls with their tool calls.")
    result: str | None = Field(
        description="The agent's last word, once the task has ended; after a failure what went "
        "wrong."
    )
    log: list[LogEntry] = Field(description="What happened, oldest first; empty in lists.")
    created_at: datetime = Field(description="When it was submitted.")
    updated_at: datetime = Field(description="When something happened to it last.")
    outcome: Outcome | None = Field(description="How its run ended, in our own words.")
    reason: str | None = Field(description="Why it ended or waits, as a stable code.")
    cost_cents: int = Field(description="What it has cost in US cents, rounded up.")
    cost_microdollars: int = Field(description="The same in millionths of a US dollar.")
    usage: Usage = Field(description="Tokens it has used.")
    workspace: str = Field(description="The directory it works in.")
    workspace_id: str = Field(description="The same for `/api/workspaces`.")


class TaskStats(Wire):
    """What the caller's tasks add up to."""

    total_tasks: int = Field(description="All of them.")
    active_tasks: int = Field(description="Those at work now, parked ones included.")
    completed_tasks: int = Field(description="Those that succeeded.")
    failed_tasks: int = Field(description="Those that failed or used up a limit.")
    total_cost_cents: int = Field(description="What all of them have cost, rounded up.")
    success_rate: float = Field(
        description="Completed among those completed or failed; 1 while there are none."
    )


def task_status(run_state: RunState, outcome: Outcome | None) -> TaskStatus:
    """The table: the states and outcomes of a run in the original's words."""
    match run_state:
        case RunState.IDLE | RunState.QUEUED:
            return TaskStatus.PENDING
        case RunState.RUNNING | RunState.WAITING:
            return TaskStatus.RUNNING
        case RunState.FINISHED:
            return TaskStatus.FAILED if outcome is None else STATUS_OF_OUTCOME[outcome]
        case _:
            assert_never(run_state)


def task_result(outcome: Outcome, result: str | None) -> str | None:
    """The result as the original writes it: a failure begins with a word that says so."""
    is_failed = STATUS_OF_OUTCOME[outcome] is TaskStatus.FAILED
    if not is_failed or result is None or result.startswith(ERROR_PREFIX):
        return result
    return ERROR_PREFIX + result


def task_state(
    mission: Mission, *, task: str, log: list[LogEntry], default_model: str
) -> TaskState:
    """A task from its row, with what is read from its log beside it."""
    return TaskState(
        id=mission.id,
        status=task_status(mission.run_state, mission.outcome),
        task=task,
        model=mission.model or default_model,
        iterations=mission.steps,
        result=mission.outcome and task_result(mission.outcome, mission.result),
        log=log,
        created_at=mission.created_at,
        updated_at=mission.updated_at,
        outcome=mission.outcome,
        reason=mission.reason,
        cost_cents=to_cents(mission.spent_microdollars),
        cost_microdollars=mission.spent_microdollars,
        usage=mission.usage,
        workspace=mission.workspace,
        workspace_id=mission.workspace_id or mission.id,
    )


def task_stats(totals: Iterable[MissionTotal]) -> TaskStats:
    """The original's counts from ours."""
    counts: Counter[TaskStatus] = Counter()
    spent = 0
    for total in totals:
        counts[task_status(total.run_state, total.outcome)] += total.count
        spent += total.spent_microdollars
    completed, failed = counts[TaskStatus.COMPLETED], counts[TaskStatus.FAILED]
    return TaskStats(
        total_tasks=counts.total(),
        active_tasks=counts[TaskStatus.RUNNING],
        completed_tasks=completed,
        failed_tasks=failed,
        total_cost_cents=to_cents(spent),
        success_rate=completed / (completed + failed) if completed + failed else 1.0,
    )
