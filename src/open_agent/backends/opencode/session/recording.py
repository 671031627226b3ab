"""Makes events of facts and appends them: what the log, and with it everybody, learns of a session.

Long outputs and texts go into blobs, as those of our own tools and models do. Knows nothing of
when a fact is learned, live or afterwards.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pydantic_core

from open_agent.agent.answers import to_requested_calls
from open_agent.agent.asking import REASONING_BYTES, TEXT_BYTES
from open_agent.agent.context import RunContext
from open_agent.agent.showing import shorten
from open_agent.backends.opencode.protocol.parts import Tokens, ToolPart
from open_agent.backends.opencode.protocol.wire import ModelRef
from open_agent.backends.opencode.session.endings import error_code, error_message, retry_code
from open_agent.backends.opencode.session.facts import (
    Asked,
    Call,
    Called,
    Ended,
    Fact,
    Noted,
    Returned,
    Step,
    TryFailed,
)
from open_agent.core.money import from_dollars
from open_agent.core.run import Usage
from open_agent.core.text import cut_to_bytes
from open_agent.events.model.backend import BackendNoted
from open_agent.events.model.base import BlobRef
from open_agent.events.model.model_call import (
    CostSource,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    RequestedCall,
)
from open_agent.events.model.tool import ToolCalled, ToolOutcome, ToolReturned
from open_agent.models.reply import WireCall
from open_agent.tools.clipping import DIFF_SHOWN, SHOWN, clip
from open_agent.tools.diffing import unified_diff

LOST = {
    "unknown": "Outcome unknown: OpenCode stopped, or lost sight of this call, while it ran. It may "
    "have taken effect in whole, in part or not at all. Look before doing it again.",
    "cancelled": "Ended by a cancel while it ran; what it had done by then stays done.",
}
REJECTED = ("The user rejected permission", "The user dismissed this question")
ABORTED = "User aborted the command"
COST_UNKNOWN = (
    "OpenCode does not say what {model} costs, so this run's budget cannot be kept. Give the model a "
    "price in OpenCode's configuration, or run with budget_cents 0."
)


class Recorder:
    """Appends facts for one run, in the order in which they are learned.

    Args:
        ctx: Whose run it is.
        wanted: The model that the run asks for, as OpenCode names it.
        is_ours: OpenCode asks the endpoint that we ask, at the same prices.
    """

    def __init__(
        self, ctx: RunContext, wanted: ModelRef | None = None, *, is_ours: bool = False
    ) -> None:
        self._ctx = ctx
        self._wanted = wanted
        self._is_ours = is_ours
        self._is_cost_told = False
        self.is_stopping = False
        """The session was told to stop: what ends from now on was ended by that."""

    async def record(self, fact: Fact) -> bool:
        """Append what a fact comes to; false when the log had moved and nothing was."""
        match fact:
            case Asked(step):
                return await self._ctx.append(self._asked(step))
            case TryFailed():
                return await self._ctx.append(self._try_failed(fact))
            case Ended():
                return await self._end(fact)
            case Called(call):
                return await self._ctx.append(_called(call))
            case Returned():
                return await self._ctx.append(await self._returned(fact))
            case Noted(kind, message):
                return await self._ctx.append(BackendNoted(kind=kind, message=message))

    def _asked(self, step: Step) -> ModelAsked:
        run = self._ctx.run
        step.number = run.steps_answered + 1
        return ModelAsked(
            step=step.number,
            attempt=step.attempt,
            purpose=step.purpose,
            model=self._model(step),
            max_tokens=0,
            request_bytes=0,
            reserved_microdollars=0,
            decided_on=self._ctx.state.seq,
            backend_id=step.message_id,
        )

    def _model(self, step: Step) -> str:
        """Who answers, in the words of whoever asked for it where it is that one."""
        info, wanted = step.info, self._wanted
        if info is None or not info.model_id:
            return self._ctx.run.model
        used = ModelRef(info.provider_id, info.model_id)
        return self._ctx.run.model if used == wanted else str(used)

    def _try_failed(self, fact: TryFailed) -> ModelFailed:
        step, status = fact.step, fact.status
        return ModelFailed(
            step=step.number,
            purpose=step.purpose,
            model=self._model(step),
            code=retry_code(status.message),
            message=status.message,
            is_retryable=True,
            retry_at=_time(status.next),
            partial_text=cut_to_bytes(fact.partial_text, TEXT_BYTES),
            cost_microdollars=0,
            cost_source="unknown",
            duration_ms=self._lasted(step),
            backend_id=step.message_id,
            within=step.within,
        )

    async def _end(self, fact: Ended) -> bool:
        step = fact.step
        text, reasoning = step.text(), step.reasoning()
        if step.end is None and not text and not reasoning and not step.tools:
            return await self._ctx.append(self._failed(fact))
        blob: BlobRef | None = None
        shown = cut_to_bytes(text, TEXT_BYTES)
        if len(shown) < len(text):
            data = text.encode("utf-8", "replace")
            blob = await self._ctx.shared.blobs.put(self._ctx.mission_id, data)
        usage, cost, source = self._used(step)
        answered = ModelAnswered(
            step=step.number,
            purpose=step.purpose,
            model=self._model(step),
            provider=step.info.provider_id if step.info else None,
            text=shown,
            text_blob=blob,
            reasoning=cut_to_bytes(reasoning, REASONING_BYTES),
            tool_calls=await self._calls(step),
            finish_reason=_finish(fact),
            usage=usage,
            cost_microdollars=cost,
            cost_source=source,
            duration_ms=self._lasted(step),
            backend_id=step.message_id,
            within=step.within,
        )
        notes: list[BackendNoted] = []
        if source == "unknown" and self._ctx.run.limits.budget_microdollars:
            notes = self._note_cost(self._model(step))
        return await self._ctx.append(answered, *notes)

    def _failed(self, fact: Ended) -> ModelFailed:
        step = fact.step
        code = "server.stopped" if fact.error is None else error_code(fact.error)
        return ModelFailed(
            step=step.number,
            purpose=step.purpose,
            model=self._model(step),
            code="cancelled" if self.is_stopping and code == "backend.aborted" else code,
            message=error_message(fact.error) if fact.error else "The reply was cut off.",
            status=fact.error.status_code if fact.error else None,
            is_retryable=fact.error is None or bool(fact.error.is_retryable),
            cost_microdollars=0,
            cost_source="unknown",
            duration_ms=self._lasted(step),
            backend_id=step.message_id,
            within=step.within,
        )

    def _note_cost(self, model: str) -> list[BackendNoted]:
        if self._is_cost_told:
            return []
        self._is_cost_told = True
        return [BackendNoted(kind="cost.unknown", message=COST_UNKNOWN.format(model=model))]

    async def _calls(self, step: Step) -> list[RequestedCall]:
        if step.within is not None:
            return []  # They are on the log by themselves, and in nobody's conversation.
        wanted = [
            WireCall(part.id, part.tool, pydantic_core.to_json(part.state.input).decode())
            for part in step.tools
        ]
        return await to_requested_calls(self._ctx, wanted)

    def _used(self, step: Step) -> tuple[Usage, int, CostSource]:
        """Tokens and cost: by OpenCode's own price list, else by ours."""
        end, info = step.end, step.info
        tokens = end.tokens if end else info.tokens if info else Tokens()
        usage = usage_of(tokens)
        dollars = end.cost if end else info.cost if info else 0.0
        if dollars > 0:
            return usage, from_dollars(dollars), "priced"
        if not self._is_ours or info is None:
            return usage, 0, "unknown"
        models = self._ctx.shared.models
        if models.is_free(info.model_id):
            return usage, 0, "free"
        priced = models.cost(info.model_id, usage) if usage != Usage() else None
        return usage, priced or 0, "unknown" if priced is None else "priced"

    async def _returned(self, fact: Returned) -> ToolReturned:
        call, part = fact.call, fact.call.part
        if fact.lost is not None or part is None:
            return ToolReturned(
                call_id=call.id,
                name=call.name,
                outcome=fact.lost or "unknown",
                content=LOST[fact.lost or "unknown"],
                duration_ms=0,
                within=call.within,
            )
        state = part.state
        content = state.output if state.status == "completed" else state.error
        spilled: BlobRef | None = None
        if len(content) > SHOWN:
            data = content.encode("utf-8", "replace")
            spilled = await self._ctx.shared.blobs.put(self._ctx.mission_id, data)
        exit_code = state.metadata.get("exit")
        diff = _diff(part, str(self._ctx.workspace.root))
        return ToolReturned(
            call_id=call.id,
            name=call.name,
            outcome=self._outcome(part),
            content=clip(content, advice=_advice(state.metadata)),
            duration_ms=max(0, (state.time.end or 0) - (state.time.start or state.time.end or 0)),
            exit_code=exit_code if isinstance(exit_code, int) else None,
            diff=clip(diff, DIFF_SHOWN) if diff else None,
            spilled=spilled,
            within=call.within,
        )

    def _outcome(self, part: ToolPart) -> ToolOutcome:
        state = part.state
        if state.status == "error":
            if state.error.startswith(REJECTED):
                return "denied"
            return "cancelled" if self.is_stopping and "abort" in state.error.lower() else "failed"
        if part.tool == "invalid":
            return "failed"
        return "cancelled" if self.is_stopping and ABORTED in state.output[-200:] else "ok"

    def _lasted(self, step: Step) -> int:
        info = step.info
        if info is None or not info.time.created:
            return 0
        now = int(self._ctx.now.timestamp() * 1000)
        return max(0, (info.time.completed or now) - info.time.created)


def usage_of(tokens: Tokens) -> Usage:
    """Tokens as our log counts them: cached ones are input, reasoning is output."""
    return Usage(
        input_tokens=tokens.input + tokens.cache.read + tokens.cache.write,
        cached_tokens=tokens.cache.read,
        cache_write_tokens=tokens.cache.write,
        output_tokens=tokens.output + tokens.reasoning,
        reasoning_tokens=tokens.reasoning,
    )


def _called(call: Call) -> ToolCalled:
    arguments = call.part.state.input if call.part else {}
    return ToolCalled(
        call_id=call.id,
        name=call.name,
        effect=call.effect,
        arguments=shorten(arguments),
        within=call.within,
    )


def _finish(fact: Ended) -> str:
    step = fact.step
    if fact.error is not None:
        return "cancelled" if fact.error.name == "MessageAbortedError" else "error"
    if step.end is not None:
        return "tool_calls" if step.end.reason == "tool-calls" else step.end.reason or "unknown"
    return "interrupted" if fact.is_lost else "unknown"


def _diff(part: ToolPart, folder: str) -> str | None:
    """What a call changed in a file, with the file's path from the working directory."""
    diff = _raw_diff(part)
    if diff is None:
        return None
    head, mark, rest = diff.partition("\n@@")
    lines = [line for line in head.split("\n") if line.startswith(("--- ", "+++ "))]
    return "\n".join(lines).replace(f" {folder}/", " ") + mark + rest


def _raw_diff(part: ToolPart) -> str | None:
    metadata = part.state.metadata
    diff = metadata.get("diff")
    if isinstance(diff, str) and diff:
        return diff
    content, path = part.state.input.get("content"), metadata.get("filepath")
    is_new = part.tool == "write" and metadata.get("exists") is False
    if is_new and isinstance(content, str) and isinstance(path, str):
        return unified_diff("", content, path)
    return None


def _advice(metadata: Mapping[str, Any]) -> str:
    path = metadata.get("outputPath")
    return f"OpenCode keeps all of it in {path}." if isinstance(path, str) else ""


def _time(milliseconds: int) -> datetime | None:
    if milliseconds <= 0:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
