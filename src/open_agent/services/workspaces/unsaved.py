"""What would be lost with a workspace: files not committed, commits and stashes that are nowhere else.

A repository may have others checked out in it: submodules, and repositories that somebody made and
added as they were. Git would look into them with their own programs; here each is asked by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from open_agent.core.workspace import WorkspaceEntry, WorkspaceKind
from open_agent.services.workspaces.git import GitProgram, Limits, Repository
from open_agent.services.workspaces.worktrees import changed_files

GITLINK = "160000 "
LISTED = Limits(kept=16 * 1024 * 1024, stops=True)
"""What is read of the list of files in which repositories are looked for."""


@dataclass(frozen=True, slots=True)
class Unsaved:
    """What would be lost.

    Attributes:
        files: That are not committed; of a directory of our own, that are in it.
        commits: That nothing else leads to.
        stashes: What was set aside in it.
    """

    files: int = 0
    commits: int = 0
    stashes: int = 0

    def __add__(self, other: "Unsaved") -> "Unsaved":
        return Unsaved(
            self.files + other.files, self.commits + other.commits, self.stashes + other.stashes
        )

    def told(self, kind: WorkspaceKind) -> str:
        """The same in words."""
        found: list[str] = []
        if self.files:
            what = (
                "" if kind is WorkspaceKind.OWN else f" that {is_or_are(self.files)} not committed"
            )
            found.append(f"{count(self.files, 'file')}{what}")
        if self.commits:
            found.append(
                f"{count(self.commits, 'commit')} that {is_or_are(self.commits)} nowhere else"
            )
        if self.stashes:
            found.append(f"{self.stashes} {'stash' if self.stashes == 1 else 'stashes'}")
        return " and ".join(found)


async def unsaved_in_clone(git: GitProgram, entry: WorkspaceEntry) -> Unsaved:
    """What would be lost with a clone.

    Raises:
        GitFailed: Git cannot say.
        Conflict: What is there is not the clone any more.
    """
    clone = await git.workspace(Path(entry.path))
    files = len(await changed_files(clone))
    own = Unsaved(files, await _unpushed(clone, entry.base_commit), await _stashes(clone))
    return own + await _inside(git, clone, entry.base_commit)


async def unsaved_in_worktree(
    git: GitProgram, worktree: Repository, entry: WorkspaceEntry
) -> Unsaved:
    """What would be lost with a worktree. Stashes are its repository's, and stay.

    Raises:
        GitFailed: Git cannot say.
    """
    files = len(await changed_files(worktree))
    own = Unsaved(files, await unmerged(worktree, entry))
    return own + await _inside(git, worktree, entry.base_commit)


async def unmerged(
    repository: Repository, entry: WorkspaceEntry, *, is_worktree: bool = True
) -> int:
    """Commits of a worktree's branch that nothing else in its repository leads to.

    Args:
        repository: The worktree, or else the repository that it is of.
        entry: The worktree.
        is_worktree: What is checked out there is the worktree's own.
    """
    tips = ["HEAD"] if is_worktree else []
    if entry.branch:
        tips.append(f"refs/heads/{entry.branch}")
    found = [tip for tip in tips if await repository.says("rev-parse", "--verify", "--quiet", tip)]
    if not found:
        return 0
    others = [f"--exclude={entry.branch}"] if entry.branch else []
    others += ["--branches", "--remotes", "--tags"]
    return int((await repository.look("rev-list", "--count", *found, "--not", *others)).text)


async def _unpushed(repository: Repository, began_at: str | None) -> int:
    """Commits that are in no branch of where a clone came from, as far as it knows.

    A tag saves nothing: it may have been made here.
    """
    tips = ["--branches"]
    if await repository.says("rev-parse", "--verify", "--quiet", "HEAD") is not None:
        tips.append("HEAD")
    known = ["--remotes"]
    if began_at and await repository.says("cat-file", "-e", f"{began_at}^{{commit}}") is not None:
        known.append(began_at)
    counted = await repository.look("rev-list", "--count", *tips, "--not", *known)
    return int(counted.text)


async def _stashes(repository: Repository) -> int:
    listed = await repository.look("stash", "list", "--format=%H")
    return len(listed.text.splitlines())


async def _inside(git: GitProgram, outer: Repository, began_at: str | None) -> Unsaved:
    """What would be lost with repositories that are checked out in another one."""
    found = Unsaved()
    listed = (await outer.look("ls-files", "--stage", "-z", limits=LISTED)).text
    names = [line.partition("\t")[2] for line in listed.split("\0") if line.startswith(GITLINK)]
    for name in await anyio.to_thread.run_sync(_checked_out, outer.folder, names):
        commit = began_at and await outer.says("rev-parse", "--verify", f"{began_at}:{name}")
        inner = await git.workspace(outer.folder / name)
        files = len(await changed_files(inner))
        found += Unsaved(files, await _unpushed(inner, commit), await _stashes(inner))
        found += await _inside(git, inner, commit)
    return found


def _checked_out(folder: Path, names: Sequence[str]) -> list[str]:
    """Those in which something is checked out, and that lie where they say: no link leads away."""
    root = folder.resolve()
    return [
        name
        for name in names
        if (root / name / ".git").exists() and (root / name).resolve() == root / name
    ]


def count(number: int, word: str) -> str:
    """A number of things."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def is_or_are(number: int) -> str:
    """The verb for a number of things."""
    return "is" if number == 1 else "are"
