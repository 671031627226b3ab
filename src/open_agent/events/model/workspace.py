"""Making the workspace that a run is to work in. `Record.run_id` says which run."""

from typing import Literal

from open_agent.core.ids import WorkspaceId
from open_agent.events.model.base import EventBase
from open_agent.events.model.run import Instructions


class WorkspaceAwaited(EventBase):
    """The run begins to make its workspace, or to wait until somebody has made it."""

    type: Literal["workspace.awaited"] = "workspace.awaited"
    workspace_id: WorkspaceId
    message: str
    """For a person: what is made of what."""


class WorkspacePrepared(EventBase):
    """The run's workspace is there, whole."""

    type: Literal["workspace.prepared"] = "workspace.prepared"
    workspace_id: WorkspaceId
    path: str
    branch: str | None = None
    base_commit: str | None = None
    """The commit it began at."""
    instructions: list[Instructions] = []
    """Found in it; they take the place of those that the run started with."""
