"""The life of a run. `Record.run_id` says which."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId, MessageId, RunId
from open_agent.core.run import Limits, Outcome, Usage
from open_agent.events.model.base import EventBase


class Instructions(BaseModel):
    """Standing instructions found in the workspace, as they were when the run started."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    content: str


class RunStarted(EventBase):
    """A worker began to carry out the messages named."""

    type: Literal["run.started"] = "run.started"
    message_ids: list[MessageId]
    backend: str
    model: str
    fallback_model: str | None = None
    limits: Limits
    root_run_id: RunId
    """Whose budget it draws on: its own id, or that of the run that delegated to it."""
    instructions: list[Instructions] = []


class RunRecovered(EventBase):
    """A worker took the run up again after its last one died."""

    type: Literal["run.recovered"] = "run.recovered"
    epoch: int
    unanswered: list[CallId] = []
    """Calls that had begun and whose outcome is unknown."""


class RunWaiting(EventBase):
    """The run is parked; it goes on by itself at `until`, or sooner when spoken to."""

    type: Literal["run.waiting"] = "run.waiting"
    reason: str
    """A stable code, such as `model.retry` or `provider.unreachable`."""
    message: str
    """For a person: what it waits for."""
    until: datetime
    decided_on: int
    """The `seq` of the newest event that the decision knew."""


class RunFinished(EventBase):
    """The run is over. Nothing is appended for it after this."""

    type: Literal["run.finished"] = "run.finished"
    outcome: Outcome
    reason: str
    """A stable code: `done`, `steps`, `time`, `budget`, `user`, `length`, `provider.refused` …"""
    result: str
    """The agent's last word, or what went wrong, for a person."""
    steps: int
    usage: Usage
    cost_microdollars: int
    duration_seconds: float
    decided_on: int
    """The `seq` of the newest event that the decision knew."""
