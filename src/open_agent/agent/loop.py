"""The loop. All it knows is in the log, so it may be started again at any point.

Policy lives in `moves.py`; what a move does lives in `asking.py`, `calls.py`, `compaction.py`.
The loop does not know that it is durable, and keeps nothing between two moves.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from open_agent.agent.asking import ask_model
from open_agent.agent.calls import call_tools, dismiss
from open_agent.agent.compaction import compact
from open_agent.agent.context import RunContext
from open_agent.agent.moves import (
    AskModel,
    CallTools,
    Compact,
    Dismiss,
    Stop,
    TakeDefault,
    Tell,
    Wait,
    next_move,
)
from open_agent.core.run import Outcome
from open_agent.core.text import cut_to_bytes
from open_agent.events.active_run import RESULT_BYTES
from open_agent.events.log import BudgetSpent
from open_agent.events.model.answer import AnswerDefaulted
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunWaiting
from open_agent.events.model.union import Event


@dataclass(frozen=True, slots=True)
class Parked:
    """The run waits; it goes on at `until`, or when the server starts again."""

    until: datetime | None


async def carry_on(ctx: RunContext) -> Outcome | Parked:  # noqa: C901 - a case for every move, and that is all of it
    """Work on the active run until it ends or has to wait."""
    while not ctx.is_draining:
        await ctx.catch_up()
        match next_move(ctx.view, ctx.shared.rules, ctx.now):
            case AskModel() as ask:
                await ask_model(ctx, ask)
            case CallTools(calls):
                await call_tools(ctx, calls)
            case Dismiss(calls):
                await dismiss(ctx, calls)
            case Tell(kind, content):
                await ctx.append(NoticeGiven(kind=kind, content=content))
            case Compact() as move:
                await compact(ctx, move)
            case Wait() as wait:
                if await _park(ctx, wait):
                    return Parked(wait.until)
            case TakeDefault(call_id):
                await ctx.append(AnswerDefaulted(call_id=call_id, decided_on=ctx.state.seq))
            case Stop() as stop:
                if await finish(ctx, stop):
                    return stop.outcome
            case _ as never:
                assert_never(never)
    return Parked(None)


async def carry_on_within_budget(ctx: RunContext) -> Outcome | Parked:
    """As `carry_on`, ending the run when its root's budget has been spent by another run."""
    while True:
        try:
            return await carry_on(ctx)
        except BudgetSpent:
            stop = Stop(Outcome.EXHAUSTED, "budget", "The budget is spent.")
            if await finish(ctx, stop):
                return stop.outcome


async def finish(ctx: RunContext, stop: Stop, *before: Event) -> bool:
    """Append the run's end, `before` right before it; false when the log had moved and nothing was."""
    run = ctx.run
    return await ctx.append(
        *before,
        RunFinished(
            outcome=stop.outcome,
            reason=stop.reason,
            result=cut_to_bytes(stop.result, RESULT_BYTES),
            steps=run.steps_answered,
            usage=run.usage,
            cost_microdollars=run.spent_microdollars,
            duration_seconds=round((ctx.now - run.started_at).total_seconds(), 3),
            decided_on=ctx.state.seq,
        ),
    )


async def _park(ctx: RunContext, wait: Wait) -> bool:
    return await ctx.append(
        RunWaiting(
            reason=wait.reason,
            message=wait.message,
            until=wait.until,
            decided_on=ctx.state.seq,
        )
    )
