"""Tool calls: `tool.called` is durable before the effect starts, `tool.returned` after it ended."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId
from open_agent.events.model.base import BlobRef, EventBase

Effect = Literal["read", "write", "execute", "network", "ask", "delegate"]
"""`ask`: a person gives the result. `delegate`: the work has a log of its own, so that a call that
was cut off is taken up again."""
ToolOutcome = Literal["ok", "failed", "denied", "unknown", "cancelled"]


class BackgroundProcess(BaseModel):
    """A process that was still running when the command that started it returned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    command: str
    is_kept: bool = False
    """It outlives its run; otherwise it ends with it."""


class ToolCalled(EventBase):
    """A tool is about to run."""

    type: Literal["tool.called"] = "tool.called"
    call_id: CallId
    name: str
    effect: Effect
    arguments: dict[str, Any]
    """For people: long texts in it are shortened."""
    within: CallId | None = None
    """The call whose subagent makes this one; the model of the run itself does not see it."""


class ToolReturned(EventBase):
    """A tool call has its answer, whatever the answer was."""

    type: Literal["tool.returned"] = "tool.returned"
    call_id: CallId
    name: str
    outcome: ToolOutcome
    content: str
    """What the model is shown, after clipping."""
    duration_ms: int
    exit_code: int | None = None
    """Of a command that ended by itself; a signal is its negative number."""
    diff: str | None = None
    """Unified diff of what a file tool changed, clipped."""
    spilled: BlobRef | None = None
    """The whole output, when `content` is only part of it."""
    images: list[BlobRef] = []
    """What models that see are shown besides; `content` says where each is kept."""
    background: list[BackgroundProcess] = []
    cost_microdollars: int = 0
    """What runs that the call delegated to have spent; it counts there, not again in this mission."""
    within: CallId | None = None
    """As in `tool.called`."""
