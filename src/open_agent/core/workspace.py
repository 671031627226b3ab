"""A workspace as people and lists see it: a directory that missions work in, and what became of it.

What the tools act through is the protocol of `workspaces/base.py`; this is what is remembered.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import MissionId, UserId, WorkspaceId


class WorkspaceKind(StrEnum):
    """Where a workspace comes from."""

    OWN = "own"
    """An empty directory that we make for one mission."""
    DIRECTORY = "directory"
    """A directory that a person named; never deleted, never written to beyond the work."""
    CLONE = "clone"
    """A clone of a git repository."""
    WORKTREE = "worktree"
    """A git worktree, on a branch of its own, of a repository on this machine."""


class WorkspaceState(StrEnum):
    """How far a workspace has come."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    """It could not be made; the next run in it tries again."""
    REMOVED = "removed"


MADE = (WorkspaceKind.CLONE, WorkspaceKind.WORKTREE)
"""Kinds that have to be made before a run can work in them."""


class Recipe(BaseModel):
    """What a workspace is made of, and how; nothing of it is secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = None
    """The URL without credentials, or the path of the repository."""
    ref: str | None = None
    """The branch, tag or commit that was asked for."""
    depth: int | None = None
    has_submodules: bool = False
    has_lfs: bool = False
    had_credentials: bool = False
    """The URL had some. They are not kept, so that a later try is without them."""


class WorkspaceEntry(BaseModel):
    """A workspace as its row has it."""

    model_config = ConfigDict(frozen=True)

    id: WorkspaceId
    """Of a mission's own or named directory: the mission's."""
    owner_id: UserId
    kind: WorkspaceKind
    state: WorkspaceState
    path: str
    host_id: str
    """Which `DATA_DIR` it lies beside."""
    isolation: str
    recipe: Recipe = Recipe()
    branch: str | None = None
    """What is checked out in it, as far as we know."""
    base: str | None = None
    """The branch it began at; none where that was only a commit."""
    base_commit: str | None = None
    mission_id: MissionId | None = None
    """The mission it was made for; none when it was made by itself."""
    is_kept: bool = False
    """It outlives its missions."""
    problem: str | None = None
    """Why it could not be made."""
    notes: str | None = None
    """What a person and the model should know of its making."""
    size_bytes: int | None = None
    measured_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
