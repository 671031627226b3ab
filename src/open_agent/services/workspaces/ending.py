"""Removing workspaces: never work that nobody has anywhere else, unless that is what was asked for.

A directory that a person named is never removed. A worktree goes as `git worktree remove` has it,
and its branch stays while it has commits of its own.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from open_agent.core.errors import Conflict, Invalid, OpenAgentError
from open_agent.core.workspace import WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.services.places import remove_tree
from open_agent.services.workspaces.git import GitFailed
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.looking import unmerged, unpushed
from open_agent.services.workspaces.making import Making
from open_agent.services.workspaces.worktrees import Worktrees, changed_files


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What would be lost with a workspace.

    Attributes:
        files: That are not committed; of a directory of our own, that are in it.
        commits: That nothing else leads to.
    """

    files: int = 0
    commits: int = 0


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
                f"The workspace has {_told(entry, unsaved)}. Have it merged, pushed or committed "
                "elsewhere first, or remove it with `force`, which throws it away.",
                {"files": unsaved.files, "commits": unsaved.commits},
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
        except (GitFailed, OpenAgentError) as error:
            return await self._let_stay(entry, f"git cannot say what is in it ({error})")
        if unsaved.files:
            return await self._let_stay(entry, f"it has {_told(entry, unsaved)}")
        is_needed = unsaved.commits > 0
        await self._take_away(entry, is_branch_deleted=not is_needed)
        if not is_needed:
            return Removed()
        return Removed(
            entry.branch,
            f"The branch {entry.branch} stays in {entry.recipe.source}: "
            f"{_count(unsaved.commits, 'commit')} on it {_is(unsaved.commits)} nowhere else.",
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
        if entry.kind is WorkspaceKind.OWN:
            return (
                Unsaved(await anyio.to_thread.run_sync(_entries, path)) if is_there else Unsaved()
            )
        if entry.kind is WorkspaceKind.CLONE:
            if not is_there:
                return Unsaved()
            clone = await self._ground.git.repository(path)
            return Unsaved(len(await changed_files(clone)), await unpushed(clone))
        if is_there and entry.state is WorkspaceState.READY:
            worktree = await self._ground.git.repository(path)
            return Unsaved(len(await changed_files(worktree)), await unmerged(worktree, entry))
        if entry.branch is None:
            return Unsaved()
        try:
            source = await self._worktrees.open_source(entry)
        except Invalid:  # Nothing of it is left that could be lost.
            return Unsaved()
        return Unsaved(0, await unmerged(source, entry))

    async def _take_away(self, entry: WorkspaceEntry, *, is_branch_deleted: bool) -> bool:
        """Remove it; whether a branch of it stays."""
        is_branch_left = False
        try:
            if entry.kind is WorkspaceKind.WORKTREE:
                is_branch_left = await self._worktrees.remove(
                    entry, is_branch_deleted=is_branch_deleted
                )
            else:
                await anyio.to_thread.run_sync(remove_tree, Path(entry.path))
        except OSError as error:
            raise Conflict(
                "workspace.not_removed",
                f"{entry.path} could not be removed: {error.strerror or error}.",
            ) from error
        gone = {"state": WorkspaceState.REMOVED, "updated_at": self._ground.clock.now()}
        await self._ground.rows.settle_for_system(entry.model_copy(update=gone))
        return is_branch_left


def _told(entry: WorkspaceEntry, unsaved: Unsaved) -> str:
    found: list[str] = []
    if unsaved.files:
        is_own = entry.kind is WorkspaceKind.OWN
        what = "" if is_own else f" that {_is(unsaved.files)} not committed"
        found.append(f"{_count(unsaved.files, 'file')}{what}")
    if unsaved.commits:
        commits = unsaved.commits
        found.append(f"{_count(commits, 'commit')} that {_is(commits)} nowhere else")
    return " and ".join(found)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _entries(path: Path) -> int:
    with os.scandir(path) as found:
        return sum(1 for _ in found)
