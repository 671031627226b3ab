"""Asking the model: the intent and its worst case first, then the call, then what came of it."""

from base64 import b64encode
from datetime import timedelta

import pydantic_core
import structlog

from open_agent.agent.answers import to_requested_calls
from open_agent.agent.calls import announce
from open_agent.agent.context import RunContext
from open_agent.agent.moves import AskModel
from open_agent.core.errors import NotFound, Unavailable
from open_agent.core.run import Usage
from open_agent.core.text import cut_to_bytes
from open_agent.events.delta import DeltaSource
from open_agent.events.model.model_call import (
    CostSource,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    Purpose,
)
from open_agent.models.reply import ModelError, ModelReply, ModelRequest

TEXT_BYTES = 88 * 1024
"""What an event keeps of one reply's text, as JSON; with what follows, and with the arguments of
its calls (`answers.py`), it stays within an event's limit."""
REASONING_BYTES = 24 * 1024
OPAQUE_BYTES = 64 * 1024
RETRY_SECONDS = (1.0, 4.0, 15.0, 30.0)
"""Between the tries of one step, when the provider does not say."""
LONGEST_RETRY_SECONDS = 3600.0

log = structlog.get_logger(__name__)


async def ask_model(ctx: RunContext, move: AskModel) -> None:
    """Make one try of the next step and append what came of it."""
    ctx.conversation.is_seeing = ctx.shared.sees(move.model)
    images = await _images(ctx)
    request = ctx.conversation.encode_request(move.model, move.max_tokens, images=images)
    asked = ModelAsked(
        step=move.step,
        attempt=move.attempt,
        model=move.model,
        max_tokens=move.max_tokens,
        request_bytes=request.size,
        reserved_microdollars=move.reserve,
        decided_on=ctx.state.seq,
    )
    if not await ctx.append(asked):
        return
    event = await converse(ctx, asked, request)
    if isinstance(event, ModelReply):
        answered = await _to_answered(ctx, asked, event)
        await ctx.append(answered, *announce(ctx, answered.tool_calls))
    else:
        await ctx.append(event)


async def converse(
    ctx: RunContext, asked: ModelAsked, request: ModelRequest
) -> ModelReply | ModelFailed:
    """Make a call whose intent is on the log, streaming its text to whoever watches."""
    assert ctx.state.run is not None
    started = ctx.shared.clock.monotonic()
    stream = ctx.shared.deltas.open(DeltaSource(ctx.mission_id, ctx.state.run.run_id, asked.step))
    on_delta = stream.write if asked.purpose == "step" else None
    with ctx.interruptible() as scope:
        try:
            return await ctx.shared.models.client(asked.model).complete(request, on_delta)
        except ModelError as error:
            failure = _to_failed(ctx, asked, error)
        finally:
            stream.close()
    if not scope.cancelled_caught:
        return failure
    elapsed = int((ctx.shared.clock.monotonic() - started) * 1000)
    return lost(ctx, asked, "cancelled", "The call was ended by a cancel.", elapsed)


async def _images(ctx: RunContext) -> dict[str, bytes]:
    """The pictures to be shown, in base64: read anew for each request, and kept by nobody."""
    found: dict[str, bytes] = {}
    for ref in ctx.conversation.images:
        try:
            found[ref.digest] = b64encode(await ctx.shared.blobs.get(ctx.mission_id, ref))
        except (NotFound, Unavailable):
            log.warning("image.lost", mission_id=ctx.mission_id, digest=ref.digest)
    return found


def lost(
    ctx: RunContext, asked: ModelAsked, code: str, message: str, duration_ms: int = 0
) -> ModelFailed:
    """What is recorded of a call whose answer nobody has: it counts what was reserved for it."""
    is_free = ctx.shared.models.is_free(asked.model)
    return ModelFailed(
        step=asked.step,
        purpose=asked.purpose,
        model=asked.model,
        code=code,
        message=message,
        is_retryable=True,
        cost_microdollars=0 if is_free else asked.reserved_microdollars,
        cost_source="free" if is_free else "reserved",
        duration_ms=duration_ms,
    )


async def _to_answered(ctx: RunContext, asked: ModelAsked, reply: ModelReply) -> ModelAnswered:
    answered = to_answered(ctx, asked, reply)
    calls = await to_requested_calls(ctx, reply.tool_calls)
    blob = None
    if len(answered.text) < len(reply.text):
        blob = await ctx.shared.blobs.put(ctx.mission_id, reply.text.encode("utf-8", "replace"))
    return answered.model_copy(update={"tool_calls": calls, "text_blob": blob})


def to_answered(ctx: RunContext, asked: ModelAsked, reply: ModelReply) -> ModelAnswered:
    """A reply as an event, its tool calls left out."""
    cost, source = _cost(ctx, asked, reply.cost_microdollars, reply.usage)
    opaque = reply.provider_message
    if opaque is not None and len(pydantic_core.to_json(opaque)) > OPAQUE_BYTES:
        opaque = None
    return ModelAnswered(
        step=asked.step,
        purpose=asked.purpose,
        model=reply.model or asked.model,
        provider=reply.provider,
        text=cut_to_bytes(reply.text, TEXT_BYTES),
        reasoning=cut_to_bytes(reply.reasoning, REASONING_BYTES),
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        cost_microdollars=cost,
        cost_source=source,
        provider_message=opaque,
        first_token_ms=reply.first_token_ms,
        duration_ms=reply.duration_ms,
    )


def _to_failed(ctx: RunContext, asked: ModelAsked, error: ModelError) -> ModelFailed:
    run = ctx.run
    cost: int = 0
    source: CostSource = "free"
    if error.was_sent:
        cost, source = _cost(ctx, asked, error.cost_microdollars, error.usage)
    purpose: Purpose = asked.purpose
    wait = error.retry_after
    if wait is None or wait <= 0:
        wait = RETRY_SECONDS[min(run.failures, len(RETRY_SECONDS) - 1)]
    return ModelFailed(
        step=asked.step,
        purpose=purpose,
        model=asked.model,
        code=error.code,
        message=error.message,
        status=error.status,
        is_retryable=error.is_retryable,
        retry_at=ctx.now + timedelta(seconds=min(wait, LONGEST_RETRY_SECONDS))
        if error.is_retryable
        else None,
        partial_text=cut_to_bytes(error.partial_text, TEXT_BYTES),
        usage=error.usage or Usage(),
        cost_microdollars=cost,
        cost_source=source,
        duration_ms=error.duration_ms,
    )


def _cost(
    ctx: RunContext, asked: ModelAsked, reported: int | None, usage: Usage | None
) -> tuple[int, CostSource]:
    """By the provider's word, else by price and tokens, else the whole reservation."""
    if reported is not None:
        return reported, "reported"
    if ctx.shared.models.is_free(asked.model):
        return 0, "free"
    if usage is None or usage == Usage():
        return asked.reserved_microdollars, "reserved"
    priced = ctx.shared.models.cost(asked.model, usage)
    return (priced, "priced") if priced is not None else (0, "unknown")
