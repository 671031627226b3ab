"""What a backend with a conversation of its own is told, and what it says besides its replies.

Its replies and tool calls are events as everybody's: `model.answered`, `tool.called` and so on.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import MessageId
from open_agent.events.model.base import EventBase

PromptCause = Literal["start", "steer", "notice", "continue"]
"""Why something is said: the run begins; a person steers it; the server says something on its own
account; the run goes on after it was cut off."""


class BackendPrompted(EventBase):
    """A session is about to be told something. Telling it again with the same id is safe."""

    type: Literal["backend.prompted"] = "backend.prompted"
    backend: str
    session_id: str
    """The backend's own conversation."""
    prompt_id: str
    """Ours: the backend knows by it what it has been told already."""
    cause: PromptCause
    message_ids: list[MessageId] = []
    """The messages that it is told; what steers waits no longer."""
    said: str = ""
    """What it is told beside them."""
    decided_on: int
    """The `seq` of the newest event that the decision knew."""


class BackendNoted(EventBase):
    """A backend did, or suffered, what no other event says."""

    type: Literal["backend.noted"] = "backend.noted"
    kind: str
    """A stable code, such as `session.lost` or `session.compacted`."""
    message: str
    """For a person."""
    until: datetime | None = None
    """When it goes on, where it waits for a time."""


class ChangedFile(BaseModel):
    """A file as a run leaves it, against how the run found it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    additions: int
    deletions: int
    status: Literal["added", "modified", "deleted"] = "modified"


class FilesChanged(EventBase):
    """What a run has changed in its working directory."""

    type: Literal["files.changed"] = "files.changed"
    files: list[ChangedFile]
    more: int = 0
    """Files beyond those that are listed."""
