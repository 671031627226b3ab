import json
from dataclasses import replace

import pytest

from open_agent.core.ids import MissionId
from open_agent.core.mission import MissionStatus
from open_agent.core.run import Outcome
from open_agent.events.model.mission import MissionStatusChanged
from open_agent.tools.complete_mission import complete_mission
from open_agent.tools.definition import ToolContext, ToolFailed
from open_agent.tools.delegate import delegate
from open_agent.tools.ports import Delegated, DelegatedTask
from open_agent.tools.update_plan import update_plan


async def test_a_plan_is_shown_and_counted(ctx: ToolContext):
    items = [{"content": "a", "state": "completed"}, {"content": "b", "state": "in_progress"}]
    parsed = update_plan.parse(json.dumps({"items": items}))
    assert parsed == {"items": items}
    said = (await update_plan.invoke(ctx, parsed)).content
    assert said == "The plan is shown: 1 completed, 1 in progress."


@pytest.mark.parametrize(
    "items",
    [
        [{"content": "a", "state": "pending"}] * 51,
        [{"content": "x" * 201, "state": "pending"}],
        [{"content": "\x01" * 200, "state": "pending"}] * 50,
        [{"content": "a", "state": "later"}],
        [{"content": "", "state": "pending"}],
    ],
)
def test_a_plan_that_the_log_would_not_hold_whole_is_refused(items: list[dict[str, str]]):
    with pytest.raises(ToolFailed):
        update_plan.parse(json.dumps({"items": items}))


async def test_the_agent_says_how_the_mission_stands(ctx: ToolContext):
    output = await complete_mission.invoke(ctx, {"status": "blocked", "summary": "No key."})
    [event] = output.events
    assert event == MissionStatusChanged(
        status=MissionStatus.BLOCKED, summary="No key.", by="agent"
    )


async def test_what_was_delegated_comes_back(ctx: ToolContext):
    asked: list[DelegatedTask] = []

    async def carry_out(task: DelegatedTask) -> Delegated:
        asked.append(task)
        return Delegated(MissionId("m"), Outcome.SUCCEEDED, "done", "Here.", 3, 12_300)

    output = await delegate.invoke(
        replace(ctx, delegate=carry_out),
        {"task": "\n Count the files.\nAll of them.", "budget_cents": 5, "timeout_secs": 60},
    )
    assert output.content == (
        "Outcome: succeeded (done); 3 steps, $0.0123. Its last word:\n\nHere."
    )
    assert (output.is_failure, output.cost_microdollars) == (False, 12_300)
    assert asked == [
        DelegatedTask("\n Count the files.\nAll of them.", "Count the files.", None, 50_000, 60)
    ]


@pytest.mark.parametrize(
    ("done", "begin"),
    [
        (Delegated(MissionId("m"), Outcome.EXHAUSTED, "budget", ""), "Outcome: exhausted (budget)"),
        (Delegated(MissionId("m"), None, "", ""), "It was told to stop, and had not ended"),
        (
            Delegated(MissionId("m"), Outcome.CANCELLED, "user", "", is_late=True),
            "It did not finish in its time and was stopped",
        ),
    ],
)
async def test_delegated_work_that_failed_comes_back_as_a_failure(
    ctx: ToolContext, done: Delegated, begin: str
):
    async def carry_out(task: DelegatedTask) -> Delegated:
        return done

    output = await delegate.invoke(replace(ctx, delegate=carry_out), {"task": "x"})
    assert output.is_failure
    assert output.content.startswith(begin)


async def test_where_nobody_is_there_nothing_is_delegated(ctx: ToolContext):
    with pytest.raises(ToolFailed):
        await delegate.invoke(ctx, {"task": "x"})
