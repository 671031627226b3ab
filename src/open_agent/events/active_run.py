"""An active run, folded from its records: what is open, what was used, what went wrong.

Part of `fold.py`, which holds the mission around it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from open_agent.core.ids import CallId, RunId
from open_agent.core.run import Limits, Usage
from open_agent.core.text import cut_to_bytes
from open_agent.events.model.answer import (
    AnswerDefaulted,
    AnswerGiven,
    AnswerRequested,
    QuestionKind,
)
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.model_call import (
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    RequestedCall,
)
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import Instructions, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolOutcome, ToolReturned
from open_agent.events.record import Record

NOT_THE_PROVIDERS = ("server.stopped", "cancelled")
"""Failures that say nothing about the provider: the call is simply made again, or not at all."""
RESULT_BYTES = 48 * 1024
"""Of an answer that may end the run, as JSON; the whole of it is in `model.answered`."""
SIGNATURES_KEPT = 15
"""Enough to see a cycle of three steps five times."""


class OpenCall(BaseModel):
    """A requested tool call and how far it has come."""

    call: RequestedCall
    stage: Literal["requested", "called", "returned"] = "requested"
    effect: str | None = None
    """Known once it was called."""


class EarlyCall(OpenCall):
    """A call made while the reply that asks for it was being written, or by a subagent."""

    within: CallId | None = None
    """The call whose subagent makes it."""
    outcome: ToolOutcome | None = None
    result: str = ""
    """A digest of what came of it."""


class Question(BaseModel):
    """What a person was asked about a call, and the answer once there is one."""

    kind: QuestionKind
    until: datetime
    default: Any = None
    is_settled: bool = False
    is_defaulted: bool = False
    """Nobody answered in time."""
    answer: Any = None


class ActiveRun(BaseModel):
    """A run that has started and not finished."""

    run_id: RunId
    seq: int = 0
    """Its first record."""
    told: list[int] = Field(default_factory=list[int])
    """The records that say what it is about: its messages, or the newest edit of each."""
    root_run_id: RunId
    started_at: datetime
    backend: str
    model: str
    """The model that was asked for."""
    fallback_model: str | None
    limits: Limits
    instructions: list[Instructions] = Field(default_factory=list[Instructions])

    step: int = 0
    """The number of the newest step; 0 before the first."""
    steps_answered: int = 0
    usage: Usage = Usage()
    spent_microdollars: int = 0
    reserved_microdollars: int = 0
    delegated_microdollars: int = 0
    """Spent by runs that this one delegated to, on the same budget."""

    asked: ModelAsked | None = None
    """The model call in flight."""
    failures: int = 0
    """Failed tries of the present step, in a row, on the present model."""
    failure: ModelFailed | None = None
    """The newest failed try, until a try succeeds."""
    fallback_since_step: int | None = None
    """The step at which the fallback model took over."""
    parks: int = 0
    """How often the present step was parked because the provider could not be used."""
    compaction_failures: int = 0
    compactions_at_step: int = 0
    """Compactions since the newest answered step."""

    calls: list[OpenCall] = Field(default_factory=list[OpenCall])
    """Of the newest answer, in its order; empty when it asked for none."""
    early: list[EarlyCall] = Field(default_factory=list[EarlyCall])
    """Made, and not yet asked for by a complete reply, as backends do that have tools of their own."""
    questions: dict[CallId, Question] = Field(default_factory=dict[CallId, Question])
    """What was asked about `calls` and `early`."""
    answer_text: str = ""
    """Of the newest answer, when it asked for no calls."""
    finish_reason: str | None = None
    """Of the newest answer; none while a model call is due."""

    tokens_last: int = 0
    """Input tokens of the newest answered request."""
    bytes_last: int = 0
    """Bytes of that request."""

    signatures: list[str] = Field(default_factory=list[str])
    """Digests of the newest steps' calls and answers, oldest first."""
    empty_replies: int = 0
    cut_replies: int = 0
    tool_failures: dict[str, int] = Field(default_factory=dict[str, int])
    """Steps in a row in which it failed, by tool."""
    notices: dict[str, int] = Field(default_factory=dict[str, int])
    """Times each kind of notice was given, and not undone by progress."""

    disk_told_at: datetime | None = None
    """When the model was told that its workspace is too large."""
    disk_told_step: int = 0
    disk_tried_at: datetime | None = None
    """When the first call returned that the model made since."""

    waiting: RunWaiting | None = None
    is_cancelled: bool = False
    is_interrupted: bool = False

    @property
    def unanswered(self) -> list[OpenCall]:
        """Calls that have no result yet, in order."""
        return [call for call in (*self.early, *self.calls) if call.stage != "returned"]

    @property
    def budget_left(self) -> int | None:
        """Micro-dollars not yet spent or reserved; none when there is no budget."""
        if self.limits.budget_microdollars == 0:
            return None
        used = self.spent_microdollars + self.reserved_microdollars + self.delegated_microdollars
        return self.limits.budget_microdollars - used

    def advance(self, record: Record) -> None:
        """Fold a record of the run's own work."""
        event = record.event
        self.waiting = event if isinstance(event, RunWaiting) else None
        match event:
            case ModelAsked():
                self._ask(event)
            case ModelAnswered():
                self._answer(event)
            case ModelFailed():
                self._fail(event)
            case ToolCalled():
                self._call(event)
            case ToolReturned():
                self._return(event, record.at)
            case AnswerRequested() | AnswerGiven() | AnswerDefaulted():
                self._ask_person(event)
            case RunWaiting(reason="provider.unreachable" | "backend.unreachable"):
                self.parks += 1
                self.failures = 0
            case NoticeGiven():
                self._take_notice(event, record.at)
            case HistoryCompacted():
                self._compact()
            case _:
                pass

    def _take_notice(self, event: NoticeGiven, at: datetime) -> None:
        self.notices[event.kind] = self.notices.get(event.kind, 0) + 1
        self.finish_reason = None
        if event.kind == "disk":
            self.disk_told_at, self.disk_told_step = at, self.step

    def _ask(self, event: ModelAsked) -> None:
        self.asked = event
        self.reserved_microdollars += event.reserved_microdollars
        if event.purpose == "compaction":
            return
        if self.fallback_since_step is None and event.model == self.fallback_model != self.model:
            self.fallback_since_step, self.failures = event.step, 0
        self.step = event.step
        self.finish_reason = None

    def _settle(self, cost: int, usage: Usage) -> ModelAsked | None:
        asked, self.asked = self.asked, None
        if asked is not None:
            self.reserved_microdollars -= asked.reserved_microdollars
        self.spent_microdollars += cost
        self.usage = self.usage + usage
        return asked

    def _pay(self, event: ModelAnswered | ModelFailed) -> None:
        """A subagent's call, beside which the run's own goes on."""
        self.spent_microdollars += event.cost_microdollars
        self.usage = self.usage + event.usage

    def _answer(self, event: ModelAnswered) -> None:
        if event.purpose == "subagent":
            self._pay(event)
            return
        asked = self._settle(event.cost_microdollars, event.usage)
        if event.purpose == "compaction":
            return
        self.steps_answered += 1
        self.failure, self.failures, self.parks, self.compactions_at_step = None, 0, 0, 0
        early = {call.call.call_id: call for call in self.early}
        self.calls = [
            OpenCall(call=call, stage=early[call.call_id].stage, effect=early[call.call_id].effect)
            if call.call_id in early
            else OpenCall(call=call)
            for call in event.tool_calls
        ]
        ids = {call.call_id for call in event.tool_calls}
        self.early = [c for c in self.early if c.stage != "returned" and c.call.call_id not in ids]
        self.questions = {id_: asked for id_, asked in self.questions.items() if id_ in early}
        self.answer_text = "" if event.tool_calls else cut_to_bytes(event.text, RESULT_BYTES)
        self.finish_reason = event.finish_reason
        if asked is not None:
            self.bytes_last, self.tokens_last = asked.request_bytes, event.usage.input_tokens
        if event.tool_calls or event.text.strip():
            self.empty_replies = 0
            self.notices.pop("empty_reply", None)
        else:
            self.empty_replies += 1
        self.cut_replies = self.cut_replies + 1 if event.finish_reason == "length" else 0
        if event.tool_calls:
            written = (f"{call.name}\0{call.arguments}" for call in event.tool_calls)
            self.signatures = [*self.signatures, _digest(*written)][-SIGNATURES_KEPT:]
            self._count_early(
                [early[call.call_id] for call in event.tool_calls if call.call_id in early]
            )

    def _fail(self, event: ModelFailed) -> None:
        if event.purpose == "subagent":
            self._pay(event)
            return
        self._settle(event.cost_microdollars, event.usage)
        if event.code in NOT_THE_PROVIDERS:
            return
        if event.purpose == "compaction":
            self.compaction_failures += 1
        else:
            self.failure = event.model_copy(update={"partial_text": ""})
            self.failures += 1

    def _ask_person(self, event: AnswerRequested | AnswerGiven | AnswerDefaulted) -> None:
        if isinstance(event, AnswerRequested):
            self.questions[event.call_id] = Question(
                kind=event.kind, until=event.until, default=event.default
            )
            return
        question = self.questions.get(event.call_id)
        if question is None or question.is_settled:
            return
        question.is_settled = True
        question.is_defaulted = isinstance(event, AnswerDefaulted)
        question.answer = event.answer if isinstance(event, AnswerGiven) else question.default

    def _mark(
        self, call_id: CallId, stage: Literal["called", "returned"], effect: str | None
    ) -> None:
        for call in self.calls:
            if call.call.call_id == call_id:
                call.stage, call.effect = stage, effect or call.effect

    def _call(self, event: ToolCalled) -> None:
        if any(call.call.call_id == event.call_id for call in self.calls):
            self._mark(event.call_id, "called", event.effect)
            return
        call = RequestedCall(call_id=event.call_id, name=event.name, arguments="{}")
        self.early.append(
            EarlyCall(call=call, stage="called", effect=event.effect, within=event.within)
        )

    def _return(self, event: ToolReturned, at: datetime) -> None:
        if self.disk_told_at and self.step > self.disk_told_step:
            self.disk_tried_at = self.disk_tried_at or at
        self.delegated_microdollars += event.cost_microdollars
        for call in self.early:
            if call.call.call_id == event.call_id:
                call.stage, call.outcome = "returned", event.outcome
                call.result = _digest(event.outcome, event.content)
                return
        is_first = not any(
            call.call.name == event.name and call.stage == "returned" for call in self.calls
        )
        self._mark(event.call_id, "returned", None)
        self._count(event.name, event.outcome, is_first=is_first)
        if self.signatures:
            self.signatures[-1] = _digest(self.signatures[-1], event.outcome, event.content)
        self._forget_repeats()

    def _count_early(self, calls: Sequence[EarlyCall]) -> None:
        """As `_return`, for calls of the newest answer that had returned before it came."""
        names: set[str] = set()
        for call in calls:
            if call.outcome is not None:
                self._count(call.call.name, call.outcome, is_first=call.call.name not in names)
                names.add(call.call.name)
                self.signatures[-1] = _digest(self.signatures[-1], call.result)
        self._forget_repeats()

    def _forget_repeats(self) -> None:
        if not self.unanswered and count_repeats(self.signatures) < 2:
            self.notices.pop("repeating", None)

    def _count(self, name: str, outcome: ToolOutcome, *, is_first: bool) -> None:
        """Remember how a call of the newest answer went."""
        if outcome == "failed" and is_first:
            # A step counts once: calls made together were all made before any answer was seen.
            self.tool_failures[name] = self.tool_failures.get(name, 0) + 1
        elif outcome == "ok":
            self.tool_failures.pop(name, None)
        if not self.tool_failures:
            self.notices.pop("tool_failing", None)

    def _compact(self) -> None:
        self.compactions_at_step += 1
        self.compaction_failures = 0
        self.bytes_last = self.tokens_last = 0
        if self.failure is not None and self.failure.code == "provider.context_too_long":
            self.failure = None


def count_repeats(signatures: list[str]) -> int:
    """How often the newest cycle of one, two or three steps has been seen in a row."""
    best = 0
    for period in (1, 2, 3):
        block = signatures[-period:]
        count = 0
        while len(block) == period and signatures[-period * (count + 1) :][:period] == block:
            count += 1
            if period * (count + 1) > len(signatures):
                break
        best = max(best, count)
    return best


def _digest(*parts: str) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part.encode("utf-8", "replace"))
        digest.update(b"\0")
    return digest.hexdigest()
