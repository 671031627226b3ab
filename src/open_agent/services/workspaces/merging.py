"""Merging a worktree's branch into the branch it began at, without ever forcing anything.

The merge is made in git's object store, where no working tree is needed. Only where somebody has
the base branch checked out is a working tree touched: by git itself, forward, and only when it is
clean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
import anyio.to_thread

from open_agent.core.errors import Conflict
from open_agent.core.workspace import WorkspaceEntry
from open_agent.services.workspaces.choosing import checked_branch
from open_agent.services.workspaces.git import GitFailed, GitProgram, Limits, Repository, shown
from open_agent.services.workspaces.worktrees import (
    SHOWN_FILES,
    Checkout,
    Worktrees,
    changed_files,
    checkouts,
)

IN_PROGRESS = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")
SHORT_COMMIT = 12
MOVING = Limits(seconds=1800.0)
"""Git that is ended while it writes a person's files leaves them changed by half."""
CONFLICTS = 1
"""With which `git merge-tree` ends when there are some."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    Attributes:
        how: `merge` made a commit with two parents.
        commit: Where the base branch is now.
        checkout: The working tree that was brought along, if somebody has the branch checked out.
    """

    how: Literal["up_to_date", "fast_forward", "merge"]
    into: str
    commit: str
    checkout: str | None


class Merging:
    """Merges worktrees."""

    def __init__(self, git: GitProgram, worktrees: Worktrees) -> None:
        self._git = git
        self._worktrees = worktrees

    async def merge(self, entry: WorkspaceEntry, into: str | None, message: str | None) -> Merged:
        """Merge what is committed in a worktree.

        Raises:
            Invalid: `into` is no name of a branch (`workspace.ref_invalid`).
            Conflict: It cannot be done without forcing; the code and the message say what to do.
            GitFailed: Git could not; the message is its own.
        """
        worktree = await self._worktrees.open(entry)
        await _refuse_uncommitted(worktree)
        head = (await worktree.look("rev-parse", "--verify", "HEAD^{commit}")).text
        source = await self._worktrees.open_source(entry)
        base = checked_branch(into, "into") if into else entry.base
        async with await self._worktrees.locked(source):
            tip = base and await source.says(
                "rev-parse", "--verify", "--quiet", f"refs/heads/{base}^{{commit}}"
            )
            if not base or not tip:
                raise _no_base_branch(base)
            if await _is_ancestor(source, head, tip):
                return Merged("up_to_date", base, tip, None)
            checkout = await _checkout_of(source, base)
            if checkout is not None:
                await _refuse_busy(source.at(checkout.path), checkout, base, entry)
            if await _is_ancestor(source, tip, head):
                how, commit = "fast_forward", head
            else:
                text = message or f"Merge branch '{entry.branch}'"
                how, commit = "merge", await _merge(source, tip, head, text, base)
            await _move(source, checkout, base, tip, commit)
        return Merged(how, base, commit, str(checkout) if checkout else None)


def _no_base_branch(base: str | None) -> Conflict:
    what = f"There is no branch {base}" if base else "It began at no branch"
    return Conflict(
        "workspace.no_base_branch",
        f"{what}. Say in `into` which one to merge into.",
        {"into": base},
    )


async def _refuse_uncommitted(worktree: Repository) -> None:
    changed = await changed_files(worktree)
    if changed:
        raise Conflict(
            "workspace.uncommitted",
            f"Not all in the workspace is committed: {_shown(changed)}. Have that committed, or "
            "removed, first.",
            {"files": list(changed[:SHOWN_FILES])},
        )


async def _refuse_busy(
    place: Repository, checkout: Checkout, base: str, entry: WorkspaceEntry
) -> None:
    """Where the base branch is checked out, go on only if git can move it forward safely."""
    by_hand = f"Or merge by hand: git -C {checkout} merge {entry.branch}"
    for name in IN_PROGRESS:
        if await place.says("rev-parse", "--verify", "--quiet", name):
            raise Conflict(
                "workspace.base_busy",
                f"{base} is checked out in {checkout}, where a merge or the like has not "
                "ended. End that first.",
                {"path": str(checkout)},
            )
    changed = await changed_files(place, untracked=False)
    if changed:
        raise Conflict(
            "workspace.base_dirty",
            f"{base} is checked out in {checkout}, where files are changed and not "
            f"committed: {_shown(changed)}. Commit or stash them first. {by_hand}.",
            {"path": str(checkout), "files": list(changed[:SHOWN_FILES])},
        )
    filters = place.foreign_filters
    if filters:
        raise Conflict(
            "workspace.base_filtered",
            f"{base} is checked out in {checkout}, and the repository has filters "
            f"({', '.join(filters)}) that are not run for you here. {by_hand}.",
            {"path": str(checkout)},
        )


async def _merge(source: Repository, tip: str, head: str, message: str, base: str) -> str:
    """A commit with both as its parents."""
    answer = await source.ask(
        "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", tip, head
    )
    if answer.exit_code not in (0, CONFLICTS):  # No common commit; a git before 2.38.
        if source.foreign_merge_drivers:
            raise Conflict(
                "workspace.merge_driver",
                "The repository has programs of its own to merge files "
                f"({', '.join(source.foreign_merge_drivers)}), and they are not run for you here. "
                f"Merge by hand: check out {base} and run git merge {head[:SHORT_COMMIT]}.",
            )
        raise GitFailed(answer, "merge-tree")
    tree, *files = [part for part in shown(answer.text).split("\0") if part]
    if answer.exit_code == CONFLICTS:
        raise Conflict(
            "workspace.merge_conflict",
            f"It does not merge into {base}: {_shown(files)} {'was' if len(files) == 1 else 'were'} "
            "changed on both sides. Nothing was changed. Have the branch brought up to date in "
            f"the workspace (git merge {base}), then merge again.",
            {"files": files},
        )
    made = await source.change(
        "commit-tree", tree, "-p", tip, "-p", head, "-m", message, env=source.author
    )
    return made.text


async def _move(
    source: Repository, checkout: Checkout | None, base: str, tip: str, commit: str
) -> None:
    """Move the base branch forward; with the working tree, where it is checked out."""
    if checkout is None:
        try:
            await source.change(
                "update-ref", "-m", "open-agent: merge", f"refs/heads/{base}", commit, tip
            )
        except GitFailed as error:
            raise Conflict(
                "workspace.base_moved", f"{base} has changed in the meantime. Try again. ({error})"
            ) from error
        return
    try:
        await source.at(checkout.path).change(
            *("merge", "--ff-only", "--no-overwrite-ignore", "--no-stat", "--quiet", commit),
            limits=MOVING,
        )
    except GitFailed as error:
        raise Conflict(
            "workspace.base_in_the_way",
            f"{base} is checked out in {checkout}, and git does not move it forward there: {error}",
            {"path": str(checkout)},
        ) from error


async def _checkout_of(source: Repository, branch: str) -> Checkout | None:
    """Where a branch is checked out.

    Raises:
        Conflict: It is being rebased somewhere.
    """
    found: Checkout | None = None
    for checkout in await checkouts(source):
        if checkout.branch == branch:
            found = checkout
        elif checkout.branch is None and await _is_rebasing(source.at(checkout.path), branch):
            raise Conflict(
                "workspace.base_busy",
                f"{branch} is being rebased in {checkout}. End that first.",
                {"path": str(checkout)},
            )
    return found


async def _is_rebasing(place: Repository, branch: str) -> bool:
    for name in ("rebase-merge/head-name", "rebase-apply/head-name"):
        try:
            path = await place.says("rev-parse", "--path-format=absolute", "--git-path", name)
        except Conflict:  # A worktree of the user's that is not there now.
            return False
        if path is not None and await anyio.to_thread.run_sync(_reads, path) == branch:
            return True
    return False


def _reads(path: str) -> str | None:
    try:
        return Path(path).read_text(errors="replace").strip().removeprefix("refs/heads/")
    except OSError:
        return None


async def _is_ancestor(repository: Repository, older: str, newer: str) -> bool:
    answer = await repository.ask("merge-base", "--is-ancestor", older, newer)
    return answer.exit_code == 0


def _shown(files: Sequence[str]) -> str:
    return ", ".join(files[:SHOWN_FILES]) + (" …" if len(files) > SHOWN_FILES else "")
