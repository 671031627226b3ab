"""Whether a call may be begun: what the rules say, and what people were asked and answered."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from open_agent.agent.context import RunContext
from open_agent.agent.policy import ALLOWED, FORBIDDEN, Verdict
from open_agent.agent.showing import JUDGED_CHARACTERS, shorten
from open_agent.events.model.answer import AnswerRequested, QuestionKind
from open_agent.events.model.model_call import RequestedCall
from open_agent.events.model.tool import ToolReturned
from open_agent.tools.definition import Answer, Effect, Tool

REFUSED = (
    "Not allowed: a person was asked, and refused this call. Do not look for a way around it. Take "
    "another way that they would agree with, or say what could not be done."
)
UNANSWERED = (
    "Not allowed: nobody said in time that this call may be made. Do not look for a way around it. "
    "Do what can be done without it, and say what could not."
)


def judge(ctx: RunContext, tool: Tool, arguments: Mapping[str, Any]) -> Verdict:
    """What the rules say of a call; a tool that asks a person is itself not asked about."""
    verdict = ctx.shared.policy.decide(tool.name, tool.effect.value, arguments)
    return ALLOWED if verdict.action == "ask" and tool.effect is Effect.ASK else verdict


async def consents(
    ctx: RunContext, tool: Tool, call: RequestedCall, arguments: Mapping[str, Any]
) -> bool:
    """Whether the call may be begun now; if not, it has been answered, or a person asked."""
    verdict = judge(ctx, tool, arguments)
    if verdict.action == "deny":
        await _deny(ctx, call, FORBIDDEN.format(rule=verdict.rule))
        return False
    question = ctx.run.questions.get(call.call_id)
    if question is not None:
        if question.answer != "allow":
            await _deny(ctx, call, UNANSWERED if question.is_defaulted else REFUSED)
        return question.answer == "allow"
    if verdict.action == "ask":
        await ctx.append(question_of(ctx, call, "approval", arguments, str(verdict.rule)))
        return False
    return True


def question_of(
    ctx: RunContext,
    call: RequestedCall,
    kind: QuestionKind,
    arguments: Mapping[str, Any],
    reason: str = "",
) -> AnswerRequested:
    """What a person is asked about a call; they have no longer than the run has."""
    run = ctx.run
    run_ends = run.started_at + timedelta(seconds=run.limits.wall_seconds)
    return AnswerRequested(
        call_id=call.call_id,
        name=call.name,
        kind=kind,
        arguments=shorten(arguments, JUDGED_CHARACTERS),
        reason=reason,
        until=min(ctx.now + ctx.shared.rules.answer_for, run_ends),
        default="deny" if kind == "approval" else None,
    )


def answer_to(ctx: RunContext, tool: Tool, call: RequestedCall) -> Answer | None:
    """What a person said to a call that asks, once they have or their time is up."""
    question = ctx.run.questions.get(call.call_id)
    if tool.effect is not Effect.ASK or question is None or not question.is_settled:
        return None
    return Answer(question.answer, question.is_defaulted)


async def _deny(ctx: RunContext, call: RequestedCall, why: str) -> None:
    await ctx.append(
        ToolReturned(
            call_id=call.call_id, name=call.name, outcome="denied", content=why, duration_ms=0
        )
    )
