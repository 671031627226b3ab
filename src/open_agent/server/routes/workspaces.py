"""Workspaces: what there is, what was done in them, and what becomes of it."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from open_agent.core.ids import WorkspaceId
from open_agent.core.workspace import WorkspaceKind, WorkspaceState
from open_agent.server.deps import UUID, AllServices, CurrentActor
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire
from open_agent.services.workspaces.choosing import WorkspaceChoice
from open_agent.services.workspaces.looking import Diff
from open_agent.services.workspaces.workspaces import Shown

LISTED = 50
MOST_LISTED = 200
PATCH_BYTES = 256 * 1024
MOST_PATCH_BYTES = 4 * 1024 * 1024

router = APIRouter(prefix="/api/workspaces", tags=["workspaces"], responses=failing(401, 422))


class MakeWorkspace(BaseModel):
    """What to make: `url` for a clone, `repository` for a worktree."""

    kind: WorkspaceKind | None = Field(
        default=None, description="Follows from what else is given, and need not be said."
    )
    url: str | None = Field(
        default=None,
        description="What to clone: https://, ssh://, user@host:path, file:// or a path. "
        "Credentials in it are used once, and neither kept nor shown.",
    )
    repository: str | None = Field(
        default=None, description="The path of a repository of which to make a worktree."
    )
    ref: str | None = Field(
        default=None, description="Where to begin: a branch, a tag or a commit."
    )
    branch: str | None = Field(
        default=None, description="The worktree's new branch; `open-agent/<id>` if not given."
    )
    depth: int | None = Field(default=None, description="Commits of history to clone; all if not.")
    submodules: bool = Field(default=False, description="Clone submodules too.")
    lfs: bool = Field(default=False, description="Fetch what git LFS keeps.")

    def choice(self) -> WorkspaceChoice:
        """The same for the services."""
        return WorkspaceChoice(
            kind=self.kind,
            url=self.url,
            repository=self.repository,
            ref=self.ref,
            branch=self.branch,
            depth=self.depth,
            has_submodules=self.submodules,
            has_lfs=self.lfs,
        )


class ChooseWorkspace(MakeWorkspace):
    """Where to work: one of `id`, `path`, `url` and `repository`; a new directory without them."""

    id: str | None = Field(default=None, description="A clone or worktree that there is.")
    path: str | None = Field(
        default=None, description="An absolute path to work in, made if missing; never deleted."
    )

    def choice(self) -> WorkspaceChoice:
        """The same for the services."""
        there = WorkspaceId(self.id) if self.id else None
        return replace(super().choice(), id=there, path=self.path)


class WorkProgress(Wire):
    """What was done in a clone or worktree since it began."""

    branch: str | None = Field(description="What is checked out in it now.")
    commit: str | None = Field(description="The same as a commit.")
    ahead: int = Field(description="Commits that its base does not have.")
    behind: int = Field(description="Commits of its base that it does not have.")
    uncommitted: int = Field(description="Files that are not as they were committed, or new.")


class WorkspaceView(Wire):
    """A workspace."""

    id: str = Field(description="Of a mission's own or named directory: the mission's.")
    kind: WorkspaceKind = Field(description="Where it comes from.")
    state: WorkspaceState = Field(description="How far it has come.")
    path: str = Field(description="Its directory.")
    isolation: str = Field(description="What surrounds the work in it: `host` is nothing.")
    is_here: bool = Field(description="It is on the machine that answers.")
    missions: list[str] = Field(description="What works in it, the newest first; at most 100.")
    source: str | None = Field(description="What it was made of, without credentials.")
    ref: str | None = Field(description="Where it was asked to begin.")
    branch: str | None = Field(description="The branch that it began with.")
    base: str | None = Field(description="The branch at which it began, and merges go to.")
    base_commit: str | None = Field(description="The commit at which it began.")
    is_kept: bool = Field(description="It outlives its missions.")
    problem: str | None = Field(description="Why it could not be made.")
    notes: str | None = Field(description="What was not taken along.")
    making: str | None = Field(description="How far its making is, in git's words.")
    size_bytes: int | None = Field(description="What it takes on the disk, measured last.")
    measured_at: datetime | None = Field(description="When that was.")
    progress: WorkProgress | None = Field(description="What was done; null in lists.")
    created_at: datetime = Field(description="When it was asked for.")
    updated_at: datetime = Field(description="When its state changed last.")


class WorkspaceList(Wire):
    """Some workspaces, newest first."""

    items: list[WorkspaceView] = Field(description="The workspaces; fewer than asked for, perhaps.")
    next: str | None = Field(description="The `cursor` of the next page; none on the last.")


class FileStats(Wire):
    """What a diff does to a file."""

    path: str = Field(description="The file.")
    old_path: str | None = Field(description="What it was called, if something else.")
    added: int | None = Field(description="Lines added; null of a binary file.")
    deleted: int | None = Field(description="Lines deleted; null of a binary file.")
    is_new: bool = Field(description="Git does not know it yet.")


class DiffView(Wire):
    """All that was changed since a workspace began, committed or not."""

    base_commit: str = Field(description="Compared with this.")
    files: list[FileStats] = Field(description="The changed files.")
    are_files_cut: bool = Field(description="There are more.")
    patch: str = Field(description="A unified diff.")
    is_patch_cut: bool = Field(description="There is more of it; ask with a larger `limit`.")


class MergeWorkspace(BaseModel):
    """How to merge."""

    into: str | None = Field(default=None, description="Another branch than the one it began at.")
    message: str | None = Field(
        default=None,
        max_length=10_000,
        pattern=r"^[^\x00]*$",
        description="Of the commit, if there is one.",
    )


class MergedView(Wire):
    """What came of a merge."""

    how: Literal["up_to_date", "fast_forward", "merge"] = Field(
        description="`merge` made a commit."
    )
    into: str = Field(description="The branch that it was merged into.")
    commit: str = Field(description="Where that branch is now.")
    checkout: str | None = Field(description="The working tree that was brought along.")


class KeepWorkspace(BaseModel):
    """What becomes of a workspace when its last mission is deleted."""

    is_kept: bool = Field(description="It stays.")


class RemovedWorkspace(Wire):
    """A workspace is gone."""

    removed: str = Field(description="The workspace.")
    kept_branch: str | None = Field(description="The branch of it that stays.")
    note: str | None = Field(description="What else there is to know.")


MERGE = MergeWorkspace()
"""What a request without a body asks for."""


async def get_workspace_id(
    id: Annotated[str, Path(description="The workspace's id.", json_schema_extra=UUID)],
) -> WorkspaceId:
    """A workspace's id in the form that we hand out; the service says whether it is one."""
    return WorkspaceId(id.lower())


WorkspaceIdInPath = Annotated[WorkspaceId, Depends(get_workspace_id)]


@router.get("")
async def list_workspaces(
    actor: CurrentActor,
    services: AllServices,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
    cursor: Annotated[
        str | None, Query(pattern=r"^[!-~]{1,100}$", description="The `next` of the page before.")
    ] = None,
) -> WorkspaceList:
    """Workspaces, newest first: clones, worktrees, and the directories of missions."""
    page = await services.workspaces.workspaces.page(actor, after=cursor, limit=limit)
    return WorkspaceList(items=[_view(shown) for shown in page.items], next=page.next)


@router.post("", status_code=202, responses=failing(400, 409, 413, 415, 507))
async def make_workspace(
    body: MakeWorkspace, actor: CurrentActor, services: AllServices
) -> WorkspaceView:
    """Begin to make a clone or a worktree for missions to come; it is kept until it is removed."""
    return _view(await services.workspaces.workspaces.make(actor, body.choice()))


@router.get("/{id}", responses=failing(404))
async def get_workspace(
    workspace_id: WorkspaceIdInPath, actor: CurrentActor, services: AllServices
) -> WorkspaceView:
    """A workspace, with what was done in it."""
    return _view(await services.workspaces.workspaces.get(actor, workspace_id))


@router.get("/{id}/diff", responses=failing(404, 409, 503))
async def diff_workspace(
    workspace_id: WorkspaceIdInPath,
    actor: CurrentActor,
    services: AllServices,
    limit: Annotated[
        int, Query(ge=1, le=MOST_PATCH_BYTES, description="Bytes of the diff at most.")
    ] = PATCH_BYTES,
) -> DiffView:
    """All that was changed in a clone or worktree since it began, new files included."""
    service = services.workspaces.workspaces
    return _diff_view(await service.diff(actor, workspace_id, most_bytes=limit))


@router.post("/{id}/merge", responses=failing(400, 404, 409, 413, 415, 503))
async def merge_workspace(
    workspace_id: WorkspaceIdInPath,
    actor: CurrentActor,
    services: AllServices,
    body: MergeWorkspace = MERGE,
) -> MergedView:
    """Merge what is committed in a worktree into the branch at which it began.

    Only forward, or by a merge without conflicts; nothing is forced, and no working tree is
    touched in which something is not committed.
    """
    merged = await services.workspaces.workspaces.merge(
        actor, workspace_id, into=body.into, message=body.message
    )
    return MergedView(
        how=merged.how, into=merged.into, commit=merged.commit, checkout=merged.checkout
    )


@router.patch("/{id}", responses=failing(400, 404, 409, 413, 415))
async def keep_workspace(
    workspace_id: WorkspaceIdInPath,
    body: KeepWorkspace,
    actor: CurrentActor,
    services: AllServices,
) -> WorkspaceView:
    """Let a workspace outlive its missions, or not."""
    service = services.workspaces.workspaces
    return _view(await service.keep(actor, workspace_id, is_kept=body.is_kept))


@router.delete("/{id}", responses=failing(404, 409, 503))
async def remove_workspace(
    workspace_id: WorkspaceIdInPath,
    actor: CurrentActor,
    services: AllServices,
    force: Annotated[
        bool, Query(description="Throw away what is not committed, or nowhere else.")
    ] = False,
) -> RemovedWorkspace:
    """Remove a workspace in which nobody works. A directory that a person named stays."""
    service = services.workspaces.workspaces
    removed = await service.remove(actor, workspace_id, is_forced=force)
    return RemovedWorkspace(
        removed=workspace_id, kept_branch=removed.kept_branch, note=removed.note
    )


def _view(shown: Shown) -> WorkspaceView:
    entry, progress = shown.entry, shown.progress
    return WorkspaceView(
        **entry.model_dump(
            include=set(WorkspaceView.model_fields) - {"missions", "source", "ref", "making"}
        ),
        is_here=shown.is_here,
        missions=list(shown.missions),
        source=entry.recipe.source,
        ref=entry.recipe.ref,
        making=shown.making,
        progress=progress
        and WorkProgress(
            branch=progress.branch,
            commit=progress.commit,
            ahead=progress.ahead,
            behind=progress.behind,
            uncommitted=progress.uncommitted,
        ),
    )


def _diff_view(diff: Diff) -> DiffView:
    files = [
        FileStats(
            path=file.path,
            old_path=file.old_path,
            added=file.added,
            deleted=file.deleted,
            is_new=file.is_new,
        )
        for file in diff.files
    ]
    return DiffView(
        base_commit=diff.base_commit,
        files=files,
        are_files_cut=diff.are_files_cut,
        patch=diff.patch,
        is_patch_cut=diff.is_patch_cut,
    )
