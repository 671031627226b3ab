"""The table of the original's words, and its counts."""

import pytest

from open_agent.core.run import Outcome, RunState
from open_agent.server.wire import TaskStats, TaskStatus, task_result, task_stats, task_status
from open_agent.store.missions import MissionTotal


@pytest.mark.parametrize(
    ("state", "outcome", "status"),
    [
        (RunState.IDLE, None, TaskStatus.PENDING),
        (RunState.QUEUED, None, TaskStatus.PENDING),
        (RunState.QUEUED, Outcome.SUCCEEDED, TaskStatus.PENDING),
        (RunState.RUNNING, None, TaskStatus.RUNNING),
        (RunState.WAITING, None, TaskStatus.RUNNING),
        (RunState.FINISHED, Outcome.SUCCEEDED, TaskStatus.COMPLETED),
        (RunState.FINISHED, Outcome.FAILED, TaskStatus.FAILED),
        (RunState.FINISHED, Outcome.EXHAUSTED, TaskStatus.FAILED),
        (RunState.FINISHED, Outcome.CANCELLED, TaskStatus.CANCELLED),
        (RunState.FINISHED, None, TaskStatus.FAILED),
    ],
)
def test_states_and_outcomes_in_the_originals_words(
    state: RunState, outcome: Outcome | None, status: TaskStatus
) -> None:
    assert task_status(state, outcome) is status


@pytest.mark.parametrize(
    ("outcome", "result", "shown"),
    [
        (Outcome.SUCCEEDED, "fine", "fine"),
        (Outcome.SUCCEEDED, None, None),
        (Outcome.CANCELLED, "stopped", "stopped"),
        (Outcome.FAILED, "broken", "Error: broken"),
        (Outcome.EXHAUSTED, "too much", "Error: too much"),
        (Outcome.FAILED, "Error: broken", "Error: broken"),
        (Outcome.FAILED, None, None),
    ],
)
def test_a_failure_says_that_it_is_one(
    outcome: Outcome, result: str | None, shown: str | None
) -> None:
    assert task_result(outcome, result) == shown


def test_costs_are_rounded_up_once() -> None:
    totals = [
        MissionTotal(RunState.FINISHED, Outcome.SUCCEEDED, 2, 4_000),
        MissionTotal(RunState.FINISHED, Outcome.FAILED, 1, 7_000),
        MissionTotal(RunState.WAITING, None, 1, 0),
        MissionTotal(RunState.QUEUED, None, 3, 0),
    ]
    assert task_stats(totals) == TaskStats(
        total_tasks=7,
        active_tasks=1,
        completed_tasks=2,
        failed_tasks=1,
        total_cost_cents=2,
        success_rate=2 / 3,
    )
