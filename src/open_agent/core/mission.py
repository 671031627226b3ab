"""A mission: a goal followed over time, as people and lists see it.

The row is a projection of the mission's log and can be rebuilt from it.
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId, MissionId, RunId, UserId, WorkspaceId
from open_agent.core.run import Outcome, RunState, Usage


class MissionKind(StrEnum):
    """What a mission was made as."""

    TASK = "task"
    """One instruction and one run, submitted through the task API."""
    MISSION = "mission"
    """A conversation."""
    CHILD = "child"
    """What a run of another mission delegated; shown within that one."""


TOP_LEVEL = (MissionKind.TASK, MissionKind.MISSION)
"""Kinds that people ask for."""


class MissionStatus(StrEnum):
    """What a person or the agent said of the goal; a run's end does not change it."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    BLOCKED = "blocked"
    NOT_FEASIBLE = "not_feasible"


class Question(BaseModel):
    """A call of the newest run that waits for a person."""

    model_config = ConfigDict(frozen=True)

    call_id: CallId
    name: str
    kind: Literal["input", "approval"]
    until: datetime
    """When the default is taken."""


class Mission(BaseModel):
    """A mission as its row has it."""

    model_config = ConfigDict(frozen=True)

    id: MissionId
    owner_id: UserId
    kind: MissionKind
    title: str | None
    status: MissionStatus
    created_at: datetime
    updated_at: datetime
    last_seq: int
    """The `seq` of its newest event."""
    parent_id: MissionId | None = None
    """The mission that delegated this one."""
    wanted_model: str | None = None
    """The model for runs whose message names none."""
    summary: str | None = None
    """What was said when the status was set."""
    status_at: datetime | None = None
    """When the status was set last."""
    workspace: str
    """The absolute path of its working directory."""
    host_id: str = ""
    """Which `DATA_DIR` that lies beside."""
    workspace_id: WorkspaceId | None = None
    """The clone or worktree it works in; none when that is its own or a named directory."""
    run_id: RunId | None
    """The newest run."""
    run_state: RunState
    outcome: Outcome | None
    reason: str | None
    """Why the newest run ended or waits, as a stable code."""
    result: str | None
    """The newest run's last word to a person, cut to 64 KiB of text."""
    model: str | None
    """The model really used last; before the first answer, the one that was asked for."""
    steps: int
    """Steps of the newest run."""
    usage: Usage
    """Of all runs."""
    spent_microdollars: int
    """By all runs."""
    wake_at: datetime | None
    """When a waiting run goes on by itself."""
    messages: int = 0
    """Received in all."""
    queued: int = 0
    """Messages that no run has taken yet."""
    is_held: bool = False
    """A cancel stopped the queue; the next message, or a release, lets it go on."""
    questions: tuple[Question, ...] = ()
    """What waits for a person."""
