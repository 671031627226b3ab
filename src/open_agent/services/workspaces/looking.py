"""What was done in a workspace: its commits, its changed files, its diff against where it began."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from open_agent.core.ids import new_uuid
from open_agent.core.workspace import WorkspaceEntry
from open_agent.services.workspaces.git import GitProgram, Limits, Repository, shown
from open_agent.services.workspaces.worktrees import changed_files, current_branch

MOST_STATS = 256 * 1024
"""Bytes of the list of changed files."""
MOST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a workspace is from where it began.

    Attributes:
        branch: What is checked out now.
        ahead: Commits that its base does not have.
        behind: Commits of its base that it does not have.
        uncommitted: Files that are not as they were committed, new ones too.
    """

    branch: str | None
    commit: str | None
    ahead: int
    behind: int
    uncommitted: int


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a diff does to a file.

    Attributes:
        old_path: What it was called, where that is something else.
        added: Lines; nothing of a binary file.
        is_new: Git does not know the file yet.
    """

    path: str
    old_path: str | None
    added: int | None
    deleted: int | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """All changes since a commit, committed or not.

    Attributes:
        are_files_cut: There are more changed files than are listed.
        patch: A unified diff.
        is_patch_cut: There is more of it.
    """

    base_commit: str
    files: tuple[FileChange, ...]
    are_files_cut: bool
    patch: str
    is_patch_cut: bool


async def look_at(git: GitProgram, entry: WorkspaceEntry) -> Progress:
    """How far a workspace is.

    Raises:
        GitFailed: It is no repository any more.
        Conflict: It is not there any more, or something else is.
    """
    repository = await git.workspace(Path(entry.path))
    commit = await repository.says("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    branch = await current_branch(repository)
    ahead = behind = 0
    base = await _base(repository, entry)
    if commit is not None and base is not None:
        counted = await repository.look("rev-list", "--left-right", "--count", f"{base}...{commit}")
        behind, ahead = (int(number) for number in counted.text.split())
    uncommitted = len(await changed_files(repository))
    return Progress(branch, commit, ahead, behind, uncommitted)


async def diff_of(git: GitProgram, entry: WorkspaceEntry, *, most_bytes: int) -> Diff:
    """All changes since the workspace began.

    Raises:
        GitFailed: It is no repository any more, or its first commit is gone.
        Conflict: It is not there any more, or something else is.
    """
    assert entry.base_commit is not None
    repository = await git.workspace(Path(entry.path))
    index = Path(
        (await repository.look("rev-parse", "--path-format=absolute", "--git-path", "index")).text
    )
    # With an index of our own, new files can be told to git without touching the real one.
    ours = index.with_name(f"open-agent-{new_uuid()}.index")
    await anyio.to_thread.run_sync(_copy, index, ours)
    try:
        env = {"GIT_INDEX_FILE": str(ours)}
        limits = Limits(MOST_SECONDS, MOST_STATS, stops=True)
        listed = await repository.ask(
            "ls-files", "--others", "--exclude-standard", "-z", limits=limits
        )
        new = {name.rstrip("/") for name in listed.text.split("\0")}
        await repository.ask("add", "--intent-to-add", "--", ".", env=env, limits=limits)
        command = ("diff", "--no-ext-diff", "--no-textconv", "--find-renames")
        stats = await repository.look(
            *command, "--numstat", "-z", entry.base_commit, "--", env=env, limits=limits
        )
        most = Limits(MOST_SECONDS, most_bytes, stops=True)
        patch = await repository.look(*command, entry.base_commit, "--", env=env, limits=most)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: ours.unlink(missing_ok=True))
    return Diff(
        entry.base_commit,
        tuple(_changes(stats.text, new, is_cut=stats.is_cut)),
        stats.is_cut,
        _whole_lines(patch.output, is_cut=patch.is_cut),
        patch.is_cut,
    )


async def _base(repository: Repository, entry: WorkspaceEntry) -> str | None:
    if entry.base:
        ref = f"refs/heads/{entry.base}"
        is_own = entry.base == entry.branch
        if not is_own and await repository.says("rev-parse", "--verify", "--quiet", ref):
            return ref
    return entry.base_commit


def _copy(index: Path, ours: Path) -> None:
    try:
        shutil.copyfile(index, ours)
    except FileNotFoundError:
        return


def _changes(listed: str, new: set[str], *, is_cut: bool) -> list[FileChange]:
    """From what `git diff --numstat -z` says."""
    found: list[FileChange] = []
    parts = listed.split("\0")
    if is_cut:
        parts = parts[:-1]
    fields = iter(parts)
    for field in fields:
        numbers = field.split("\t", 2)
        if len(numbers) < 3:
            continue
        added, deleted = (int(n) if n.isdigit() else None for n in numbers[:2])
        path, old_path = numbers[2], None
        if not path:  # a rename: both names follow
            old_path, path = next(fields, ""), next(fields, "")
        found.append(
            FileChange(shown(path), old_path and shown(old_path), added, deleted, path in new)
        )
    return found


def _whole_lines(patch: bytes, *, is_cut: bool) -> str:
    if is_cut:
        patch = patch[: patch.rfind(b"\n") + 1]
    return patch.decode("utf-8", "replace")
