"""Removing workspaces: never work that nobody has anywhere else, unless that is what was asked for.

A directory that a person named is never removed. A worktree goes as `git worktree remove` has it,
and its branch stays while it has commits of its own.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from open_agent.core.errors import Conflict, Invalid, OpenAgentError
from open_agent.core.workspace import WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.services.places import remove_workspace
from open_agent.services.workspaces.git import GitFailed
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.making import Making
from open_agent.services.workspaces.unsaved import (
    Unsaved,
    count,
    is_or_are,
    unmerged,
    unsaved_in_clone,
    unsaved_in_worktree,
)
from open_agent.services.workspaces.worktrees import Worktrees


@dataclass(frozen=True, slots=True)
class Removed:
    """What is left of a workspace.

    Attributes:
        kept_branch: The worktree's branch, where it stays for its commits.
        note: What a person should know; nothing when nothing is left.
    """

    kept_branch: str | None = None
    note: str | None = None


class Ending:
    """Ends workspaces."""

    def __init__(self, ground: WorkspaceGround, making: Making, worktrees: Worktrees) -> None:
        self._ground = ground
        self._making = making
        self._worktrees = worktrees

    async def remove(self, entry: WorkspaceEntry, *, is_forced: bool) -> Removed:
        """Remove a workspace of ours that nobody works in.

        Raises:
            Conflict: It is not ours, or holds what would be lost (`workspace.unsaved`).
        """
        if entry.kind is WorkspaceKind.DIRECTORY:
            raise Conflict(
                "workspace.named",
                "The directory was named by a person, and is not removed here.",
            )
        await self._making.stop(entry.id)
        unsaved = Unsaved() if is_forced else await self._unsaved(entry)
        if unsaved != Unsaved():
            raise Conflict(
                "workspace.unsaved",
                f"The workspace has {unsaved.told(entry.kind)}. Have it merged, pushed or committed "
                "elsewhere first, or remove it with `force`, which throws it away.",
                asdict(unsaved),
            )
        if not await self._take_away(entry, is_branch_deleted=True):
            return Removed()
        return Removed(entry.branch, f"The branch {entry.branch} stays in {entry.recipe.source}.")

    async def leave(self, entry: WorkspaceEntry) -> Removed:
        """Remove a workspace whose last mission is gone; what `git` would refuse to remove stays."""
        await self._making.stop(entry.id)
        if entry.kind is not WorkspaceKind.WORKTREE:
            await self._take_away(entry, is_branch_deleted=False)
            return Removed()
        try:
            unsaved = await self._unsaved(entry)
            on_branch = await self._on_branch(entry)
        except (GitFailed, OpenAgentError) as error:
            return await self._let_stay(entry, f"git cannot say what is in it ({error})")
        if unsaved != Unsaved(commits=on_branch):
            return await self._let_stay(entry, f"it has {unsaved.told(entry.kind)}")
        is_needed = on_branch > 0
        await self._take_away(entry, is_branch_deleted=not is_needed)
        if not is_needed:
            return Removed()
        return Removed(
            entry.branch,
            f"The branch {entry.branch} stays in {entry.recipe.source}: "
            f"{count(on_branch, 'commit')} on it {is_or_are(on_branch)} nowhere else.",
        )

    async def _let_stay(self, entry: WorkspaceEntry, why: str) -> Removed:
        await self._ground.rows.keep(entry.id, True, owner=entry.owner_id)
        note = (
            f"The workspace {entry.id} stays in {entry.path}: {why}. `open-agent workspaces "
            "remove` removes it."
        )
        return Removed(None, note)

    async def _unsaved(self, entry: WorkspaceEntry) -> Unsaved:
        path = Path(entry.path)
        is_there = await anyio.Path(path).is_dir()
        if entry.kind is not WorkspaceKind.WORKTREE:
            if not is_there:
                return Unsaved()
            if entry.kind is WorkspaceKind.CLONE:
                return await unsaved_in_clone(self._ground.git, entry)
            return Unsaved(await anyio.to_thread.run_sync(_entries, path))
        if is_there and entry.state is WorkspaceState.READY:
            worktree = await self._worktrees.open(entry)
            return await unsaved_in_worktree(self._ground.git, worktree, entry)
        return Unsaved(commits=await self._on_branch(entry))

    async def _on_branch(self, entry: WorkspaceEntry) -> int:
        """Commits that are nowhere but on a worktree's branch, where they stay without it."""
        if entry.branch is None:
            return 0
        try:
            source = await self._worktrees.open_source(entry)
        except Invalid:  # Nothing of it is left that could be lost.
            return 0
        return await unmerged(source, entry, is_worktree=False)

    async def _take_away(self, entry: WorkspaceEntry, *, is_branch_deleted: bool) -> bool:
        """Remove it; whether a branch of it stays."""
        is_branch_left = False
        try:
            if entry.kind is WorkspaceKind.WORKTREE:
                is_branch_left = await self._worktrees.remove(
                    entry, is_branch_deleted=is_branch_deleted
                )
            else:
                await anyio.to_thread.run_sync(remove_workspace, Path(entry.path))
        except OSError as error:
            raise Conflict(
                "workspace.not_removed",
                f"{entry.path} could not be removed: {error.strerror or error}.",
            ) from error
        gone = {"state": WorkspaceState.REMOVED, "updated_at": self._ground.clock.now()}
        await self._ground.rows.settle_for_system(entry.model_copy(update=gone))
        return is_branch_left


def _entries(path: Path) -> int:
    with os.scandir(path) as found:
        return sum(1 for _ in found)
