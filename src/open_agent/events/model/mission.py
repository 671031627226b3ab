"""A mission's own life."""

from typing import Literal

from open_agent.core.ids import UserId
from open_agent.core.mission import MissionKind
from open_agent.events.model.base import EventBase


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
