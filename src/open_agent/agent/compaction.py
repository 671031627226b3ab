"""Shortening the model's view of the past, and judging by outcome whether that helped.

A summary is a model call like any other: reserved, settled, on the record. When it fails or does
not shrink the history, the oldest part is left out by rule. The full log always stays; standing
instructions and people's messages are never in the part that goes.
"""

from open_agent.agent.asking import converse, to_answered
from open_agent.agent.context import RunContext
from open_agent.agent.moves import Compact
from open_agent.core.text import cut_to_bytes
from open_agent.events.log import BudgetSpent
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.model_call import ModelAsked
from open_agent.models.encoding import Conversation
from open_agent.models.reply import ModelReply
from open_agent.models.shortening import Cut

SUMMARY_TOKENS = 4_000
SUMMARY_BYTES = 24 * 1024
"""As JSON; with people's messages and the state it has to fit an event."""
WORTHWHILE = 0.7
"""A compaction must leave at most this share of the bytes; otherwise the rule takes over."""

INSTRUCTION = (
    "[system] The conversation is about to be shortened to fit. Write the notes that you need to "
    "go on with the task without it, and nothing else: the goal and every constraint that was "
    "given; decisions and why; what was done, with exact paths, commands and results; what is "
    "verified and what is not; what failed and must not be tried again; the open steps in order. "
    "Do not call tools."
)
LEFT_OUT = (
    "Earlier steps were left out to make the conversation fit: {replies} replies and {calls} tool "
    "calls. Files and commits made then are still there; look at them when you need to know. "
    "The newest of those replies said:\n\n{last_words}"
)


async def compact(ctx: RunContext, move: Compact) -> None:
    """Replace the older part of the history by a summary, or leave it out."""
    summary = ""
    if move.method == "summary":
        notes = await _summarise(ctx, move)
        if notes is None:
            return
        summary = notes
    cut = _cut(ctx.conversation, move.keep_bytes)
    method = "summary" if summary else "truncation"
    if not summary:
        summary = _left_out(cut)
    before = ctx.conversation.size_bytes
    await ctx.append(
        HistoryCompacted(
            upto_seq=cut.upto_seq,
            kept=list(cut.kept),
            summary=cut_to_bytes(summary, SUMMARY_BYTES),
            method=method,
            bytes_before=before,
            bytes_after=_size_after(ctx.conversation, cut, summary),
            state={
                "mission": ctx.state.dump(),
                "conversation": ctx.conversation.dump_state(cut),
            },
        )
    )


async def _summarise(ctx: RunContext, move: Compact) -> str | None:
    """Ask the model for its notes: empty when they are of no use, none when to decide again."""
    run, rules = ctx.run, ctx.shared.rules
    model = run.fallback_model if run.fallback_since_step and run.fallback_model else run.model
    request = ctx.conversation.encode_request(model, SUMMARY_TOKENS, closing=INSTRUCTION)
    reserve = rules.prices.worst_case(model, request.size, SUMMARY_TOKENS) or 0
    asked = ModelAsked(
        step=run.step,
        attempt=1,
        purpose="compaction",
        model=model,
        max_tokens=SUMMARY_TOKENS,
        request_bytes=request.size,
        reserved_microdollars=reserve,
        decided_on=ctx.state.seq,
    )
    left = run.budget_left
    if left is not None and reserve > left:
        raise BudgetSpent
    if not await ctx.append(asked):
        return None
    event = await converse(ctx, asked, request)
    if not isinstance(event, ModelReply):
        await ctx.append(event)
        return None
    await ctx.append(to_answered(ctx, asked, event))
    notes = event.text.strip()
    size = _size_after(ctx.conversation, _cut(ctx.conversation, move.keep_bytes), notes)
    return notes if size <= ctx.conversation.size_bytes * WORTHWHILE else ""


def _cut(conversation: Conversation, keep_bytes: int) -> Cut:
    """Where to cut: keeping about `keep_bytes`, or as much as can go at all."""
    cut = conversation.cut(keep_bytes) or conversation.cut(0)
    assert cut is not None, "a conversation that says it can shrink has somewhere to cut"
    return cut


def _left_out(cut: Cut) -> str:
    text = LEFT_OUT.format(
        replies=cut.replies, calls=cut.calls, last_words=cut.last_words[:2_000] or "(nothing)"
    )
    return f"{cut_to_bytes(cut.notes, SUMMARY_BYTES // 2)}\n\n{text}" if cut.notes else text


def _size_after(conversation: Conversation, cut: Cut, summary: str) -> int:
    return conversation.size_bytes - cut.dropped_bytes + len(summary.encode("utf-8", "replace"))
