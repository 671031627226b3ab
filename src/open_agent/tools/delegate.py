"""Handing a part of the work to a run with a history of its own."""

from typing import Annotated

from pydantic import Field

from open_agent.core.money import from_cents
from open_agent.core.run import Outcome
from open_agent.tools.definition import Effect, ToolContext, ToolOutput, tool
from open_agent.tools.ports import Delegated, DelegatedTask

LONGEST = 24 * 3600
TITLE_CHARACTERS = 100


@tool(effect=Effect.DELEGATE, timeout=2 * LONGEST)
async def delegate(
    ctx: ToolContext,
    task: Annotated[str, Field(min_length=1, max_length=30_000)],
    title: Annotated[str, Field(max_length=TITLE_CHARACTERS)] | None = None,
    budget_cents: Annotated[int, Field(ge=1)] | None = None,
    model: Annotated[str, Field(max_length=200)] | None = None,
    timeout_secs: Annotated[int, Field(ge=1, le=LONGEST)] | None = None,
) -> ToolOutput:
    """Have another agent do a self-contained part here; returns its result.

    It knows only `task`, works in the same directory, and draws on the same budget.

    Args:
        task: All it has to know, and what to report.
        title: In a few words.
        budget_cents: Its share.
        model: If another.
        timeout_secs: Then it is stopped.
    """
    line = (title or "").strip() or task.strip().split("\n", 1)[0][:TITLE_CHARACTERS]
    budget = None if budget_cents is None else from_cents(budget_cents)
    done = await ctx.delegate(DelegatedTask(task, line, model, budget, timeout_secs))
    is_failure = done.outcome is not Outcome.SUCCEEDED
    return ToolOutput(_said(done), is_failure=is_failure, cost_microdollars=done.cost_microdollars)


def _said(done: Delegated) -> str:
    if done.outcome is None:
        how = "It was told to stop, and had not ended when this was written"
    elif done.is_late:
        how = "It did not finish in its time and was stopped"
    else:
        how = f"Outcome: {done.outcome} ({done.reason})"
    cost = f"${done.cost_microdollars / 1_000_000:.4f}"
    said = done.result.strip() or "It said nothing."
    return f"{how}; {done.steps} steps, {cost}. Its last word:\n\n{said}"
