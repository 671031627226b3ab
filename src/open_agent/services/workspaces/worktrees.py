"""Worktrees of a repository on this machine, each on a branch of its own.

The repository belongs to the machine's owner: its working tree, its index and its branches are
never touched here. What is added is a branch, and git's own note of where the worktree is.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from open_agent.core.errors import Conflict, Invalid
from open_agent.core.workspace import Recipe, WorkspaceEntry, WorkspaceState
from open_agent.services.places import remove_workspace
from open_agent.services.workspaces.git import (
    GitFailed,
    GitProgram,
    Limits,
    Repository,
    replaced,
    shown,
)

PREFIX = "open-agent/"
"""How the names of branches begin that we name."""
SHORT_ID = 8
SHOWN_FILES = 20


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a worktree begins.

    Attributes:
        branch: Its new branch.
        base: The branch at which it begins; nothing where that is only a commit.
    """

    branch: str
    base: str | None
    commit: str


@dataclass(frozen=True, slots=True)
class Checkout:
    """A worktree that git knows of."""

    path: Path
    branch: str | None

    def __str__(self) -> str:
        return shown(str(self.path))


class Worktrees:
    """Makes worktrees and ends them; one at a time in each repository."""

    def __init__(self, git: GitProgram) -> None:
        self._git = git
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, recipe: Recipe, branch: str | None, own_id: str) -> Beginning:
        """Where a worktree is to begin. Nothing is changed.

        Args:
            recipe: Which repository, and at what.
            branch: As it was asked for.
            own_id: What the branch is named after, where nobody named it.

        Raises:
            Invalid: It is no repository, or has no such commit.
            Conflict: There is such a branch (`workspace.branch_exists`).
        """
        assert recipe.source is not None
        folder = Path(recipe.source)
        repository = await self._open(folder)
        ref = recipe.ref or "HEAD"
        commit = await repository.says(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
        )
        if commit is None:
            what = f"{ref!r} names no commit" if recipe.ref else "there is no commit yet"
            raise Invalid(
                "workspace.no_commit", f"{what} in {folder}. Name another `ref`, or commit first."
            )
        name = await self._free_branch(repository, branch, own_id)
        base = await _base_of(repository, recipe.ref)
        return Beginning(name, base, commit)

    async def add(self, entry: WorkspaceEntry, *, seconds: float) -> str | None:
        """Make the worktree of an entry, whatever is left of an earlier try.

        Returns what is not taken along.

        Raises:
            GitFailed: Git could not; the message is its own.
            Conflict: Its branch has moved since, or is somebody else's now.
        """
        assert entry.recipe.source is not None
        assert entry.branch is not None
        assert entry.base_commit is not None
        path = Path(entry.path)
        repository = await self._open(Path(entry.recipe.source))
        async with await self._lock(repository):
            await _clear(repository, path)
            tip = await _tip(repository, entry.branch)
            arguments = ["worktree", "add", "--no-track"]
            limits = Limits(seconds)
            if tip is None:
                arguments += ["-b", entry.branch, "--", str(path), entry.base_commit]
            elif tip == entry.base_commit:
                # Of an earlier try of ours: nothing has been committed on it.
                arguments = ["worktree", "add", "--", str(path), entry.branch]
            else:
                raise Conflict(
                    "workspace.branch_exists",
                    f"There is a branch {entry.branch} with other commits in "
                    f"{entry.recipe.source}. Name another branch.",
                )
            await repository.change(*arguments, limits=limits)
        return await _left_behind(repository)

    async def remove(self, entry: WorkspaceEntry, *, is_branch_deleted: bool) -> bool:
        """Remove a worktree with all that is in it, git's note of it, and perhaps its branch.

        A repository that is gone needs nothing of that. Returns whether the branch stays, because
        it is checked out elsewhere or was never ours.

        Raises:
            GitFailed: Git could not.
            OSError: The directory cannot be removed.
        """
        path = Path(entry.path)
        try:
            repository = await self._open(Path(entry.recipe.source or ""))
        except Invalid:
            await anyio.to_thread.run_sync(remove_workspace, path)
            return False
        async with await self._lock(repository):
            await _clear(repository, path)
            tip = entry.branch and await _tip(repository, entry.branch)
            if not is_branch_deleted or not entry.branch or not tip:
                return bool(tip)
            if entry.state is not WorkspaceState.READY and tip != entry.base_commit:
                return True  # Somebody else's, which was in the way.
            try:
                await repository.change("branch", "--quiet", "-D", "--", entry.branch)
            except GitFailed:
                return True
        return False

    async def locked(self, repository: Repository) -> asyncio.Lock:
        """What changes in a repository take turns by."""
        return await self._lock(repository)

    async def open(self, entry: WorkspaceEntry) -> Repository:
        """A worktree that is there.

        Raises:
            GitFailed: It is none that git works in.
            Conflict: It is not there, or another repository is (`workspace.replaced`).
            Invalid: The repository that it is of is not there any more.
        """
        path = Path(entry.path)
        worktree = await self._git.workspace(path)
        source = await self.open_source(entry)
        if await _common_folder(worktree) != await _common_folder(source):
            raise replaced(path)
        return worktree

    async def open_source(self, entry: WorkspaceEntry) -> Repository:
        """The repository that a worktree is of.

        Raises:
            Invalid: It is not there any more.
        """
        return await self._open(Path(entry.recipe.source or ""))

    async def _open(self, folder: Path) -> Repository:
        try:
            repository = await self._git.repository(folder)
            await repository.look("rev-parse", "--git-dir")
        except Conflict as error:
            raise Invalid(
                "workspace.no_repository", f"There is no directory {folder} to be entered."
            ) from error
        except GitFailed as error:
            raise Invalid(
                "workspace.no_repository", f"{folder} is no repository that git works in: {error}"
            ) from error
        return repository

    async def _lock(self, repository: Repository) -> asyncio.Lock:
        place = await _common_folder(repository)
        return self._locks.setdefault(place or str(repository.folder), asyncio.Lock())

    async def _free_branch(self, repository: Repository, branch: str | None, own_id: str) -> str:
        if branch is not None:
            if await _tip(repository, branch) is not None:
                raise Conflict(
                    "workspace.branch_exists",
                    f"There is a branch {branch} already. Name another one.",
                    {"branch": branch},
                )
            return branch
        short = f"{PREFIX}{own_id[:SHORT_ID]}"
        return short if await _tip(repository, short) is None else f"{PREFIX}{own_id}"


async def _common_folder(repository: Repository) -> str | None:
    """Where git keeps what all worktrees of a repository share."""
    return await repository.says("rev-parse", "--path-format=absolute", "--git-common-dir")


async def checkouts(repository: Repository) -> list[Checkout]:
    """Where git knows that something is checked out, the repository's own working tree first."""
    listed = (await repository.look("worktree", "list", "--porcelain", "-z")).text
    found: list[Checkout] = []
    for block in listed.split("\0\0"):
        lines = [line.partition(" ") for line in block.split("\0") if line]
        fields = {name: value for name, _, value in lines}
        if "worktree" not in fields or "bare" in fields:
            continue
        branch = fields.get("branch", "").removeprefix("refs/heads/") or None
        found.append(Checkout(Path(fields["worktree"]), branch))
    return found


async def changed_files(repository: Repository, *, untracked: bool = True) -> Sequence[str]:
    """Files of a working tree that are not as they were committed, as they are shown."""
    listed = await repository.look(
        "status", "--porcelain", "-z", f"--untracked-files={'normal' if untracked else 'no'}"
    )
    found: list[str] = []
    entries = iter(listed.text.split("\0"))
    for entry in entries:
        if len(entry) > 3:
            found.append(shown(entry[3:]))
            if entry[0] in "RC":
                next(entries, None)
    return found


async def current_branch(repository: Repository) -> str | None:
    """What is checked out, as it is shown; nothing where that is only a commit."""
    branch = await repository.says("symbolic-ref", "--short", "--quiet", "HEAD")
    return branch and shown(branch)


async def _base_of(repository: Repository, ref: str | None) -> str | None:
    """The local branch that was meant, if it was one."""
    if ref is None:
        return await current_branch(repository)
    name = ref.removeprefix("refs/heads/")
    return name if await _tip(repository, name) is not None else None


async def _left_behind(repository: Repository) -> str | None:
    """What is not committed where the worktree comes from, and so does not come along."""
    if await repository.says("rev-parse", "--is-inside-work-tree") != "true":
        return None  # It is bare, or was named by its `.git`.
    changed = await changed_files(repository)
    if not changed:
        return None
    names = ", ".join(changed[:SHOWN_FILES]) + (" …" if len(changed) > SHOWN_FILES else "")
    count = "1 file is" if len(changed) == 1 else f"{len(changed)} files are"
    return (
        f"{count} changed and not committed in {repository.folder}; that was not taken along: "
        f"{names}"
    )


async def _tip(repository: Repository, branch: str) -> str | None:
    if set(branch) & set("~^"):  # A commit, as it is reached from a branch.
        return None
    ref = f"refs/heads/{branch}"
    return await repository.says("rev-parse", "--verify", "--quiet", ref)


async def _clear(repository: Repository, path: Path) -> None:
    """Remove what is at a worktree's place, and git's note of it."""
    await anyio.to_thread.run_sync(remove_workspace, path)
    # Not `prune`: it would forget the user's own worktrees on a drive that is not there now.
    if any(_is_same(checkout.path, path) for checkout in await checkouts(repository)):
        await repository.change("worktree", "remove", "--force", "--force", "--", str(path))


def _is_same(one: Path, other: Path) -> bool:
    return one == other or (one.name == other.name and one.resolve() == other.resolve())
