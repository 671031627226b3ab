"""Calls of the model: asked, then answered or failed. At least once each; every one counts."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId
from open_agent.core.run import Usage
from open_agent.events.model.base import BlobRef, EventBase

CostSource = Literal["reported", "priced", "reserved", "free", "unknown"]
"""Who says what a call cost: the provider; our price list; the reservation, for a call whose
answer was lost; nobody, because the endpoint charges nothing or refused the call; or nobody,
because neither the provider nor the price list knows."""

Purpose = Literal["step", "compaction", "subagent"]
"""What a call is for. A subagent's is made by a tool call of a backend, and only its cost and its
words count: the conversation is not its."""


class RequestedCall(BaseModel):
    """A tool call as the model asked for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    call_id: CallId
    """Unique within the mission; the provider's own id where that is usable."""
    name: str
    arguments: str
    """JSON text as the model wrote it, or a stand-in where it was too large or not JSON."""
    arguments_blob: BlobRef | None = None
    """The whole arguments when they were too large for the event."""
    problem: str | None = None
    """Why the call cannot be made as written; the tool is then not run."""


class ModelAsked(EventBase):
    """A request is about to be sent, and its worst case is reserved on the budget."""

    type: Literal["model.asked"] = "model.asked"
    step: int
    attempt: int
    """1 for the first try of this step."""
    purpose: Purpose = "step"
    model: str
    max_tokens: int
    request_bytes: int
    reserved_microdollars: int
    decided_on: int
    """The `seq` of the newest event that the decision knew."""
    backend_id: str | None = None
    """The backend's own id of the reply that is written, where it has a conversation of its own."""


class ModelAnswered(EventBase):
    """The model's reply is complete."""

    type: Literal["model.answered"] = "model.answered"
    step: int
    purpose: Purpose = "step"
    model: str
    """The model that really answered, as the provider names it."""
    provider: str | None = None
    text: str
    """Its beginning, where all of it does not fit an event."""
    text_blob: BlobRef | None = None
    """The whole text when it was too large for the event."""
    reasoning: str = ""
    tool_calls: list[RequestedCall] = []
    finish_reason: str
    usage: Usage
    cost_microdollars: int
    cost_source: CostSource
    provider_message: dict[str, Any] | None = None
    """What the provider wants replayed beside the neutral fields, opaque to everyone else."""
    first_token_ms: int | None = None
    duration_ms: int
    backend_id: str | None = None
    """As in `model.asked`. The calls of such a reply may have been made before it was complete."""
    within: CallId | None = None
    """Of a subagent's: the tool call that it works for."""


class ModelFailed(EventBase):
    """The request ended without a usable reply."""

    type: Literal["model.failed"] = "model.failed"
    step: int
    purpose: Purpose = "step"
    model: str
    code: str
    """A stable code, such as `provider.rate_limited` or `provider.silent`."""
    message: str
    status: int | None = None
    """The HTTP status, when there was one."""
    is_retryable: bool
    retry_at: datetime | None = None
    """Not before this time, when the failure may pass."""
    partial_text: str = ""
    """What had been streamed when it ended."""
    usage: Usage = Usage()
    cost_microdollars: int
    cost_source: CostSource
    duration_ms: int
    backend_id: str | None = None
    """As in `model.asked`."""
    within: CallId | None = None
    """Of a subagent's: the tool call that it works for."""
