"""A mission's own life."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId, MissionId, RunId, UserId, WorkspaceId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.events.model.base import EventBase


class Parent(BaseModel):
    """The call of another mission's run that this mission carries out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mission_id: MissionId
    run_id: RunId
    call_id: CallId
    root_run_id: RunId
    """Whose budget its runs draw on."""


class Origin(BaseModel):
    """Where a fork comes from. The records right after `mission.created` are copies."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mission_id: MissionId
    seq: int
    """The newest record of the other mission that was taken over."""
    copies: int
    """How many records are copies: those from `seq` 2 to `copies` + 1. They cost nothing here."""


class MissionCreated(EventBase):
    """A mission exists. Always the first event of its log."""

    type: Literal["mission.created"] = "mission.created"
    owner_id: UserId
    kind: MissionKind
    title: str | None = None
    workspace: str
    """The absolute path of the working directory."""
    is_workspace_ours: bool
    """We made the directory for this mission; false when the user named it."""
    host_id: str
    """Which `DATA_DIR` the workspace lives beside."""
    workspace_id: WorkspaceId | None = None
    """A workspace that has to be made first; absent where the directory is all there is to it."""
    model: str | None = None
    """For runs whose message names none; absent means the server's default."""
    backend: str | None = None
    """The same for who carries them out."""
    parent: Parent | None = None
    forked_from: Origin | None = None


class MissionRenamed(EventBase):
    """The mission has another title."""

    type: Literal["mission.renamed"] = "mission.renamed"
    title: str
    by: UserId


class MissionStatusChanged(EventBase):
    """A person or the agent said how the goal stands; a run's end alone never does."""

    type: Literal["mission.status_changed"] = "mission.status_changed"
    status: MissionStatus
    summary: str | None = None
    by: Literal["person", "agent", "system"]


class MissionSelected(EventBase):
    """The mission is its owner's current one from now on."""

    type: Literal["mission.selected"] = "mission.selected"
    by: UserId


class MissionDeleted(EventBase):
    """All that is left of a deleted mission, for those who follow its owner's stream."""

    type: Literal["mission.deleted"] = "mission.deleted"
    by: UserId
    was_current: bool = False
    """The owner has no current mission since."""
