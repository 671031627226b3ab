"""Which files a run has changed: by OpenCode's snapshots, else by what its tools said. Pure."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Literal

from open_agent.backends.opencode.protocol.wire import FileDiff
from open_agent.events.model.backend import ChangedFile, FilesChanged
from open_agent.events.model.tool import ToolReturned

MOST_FILES = 200
Status = Literal["added", "modified", "deleted"]


def changed_files(
    diffs: Iterable[Sequence[FileDiff]], returned: Iterable[ToolReturned], folder: str
) -> FilesChanged | None:
    """What has changed in all; none where nothing has.

    Args:
        diffs: What each prompt of the run led to, oldest first.
        returned: The run's calls, for where there are no snapshots.
        folder: The working directory; paths in it are shown from there.
    """
    found: dict[str, ChangedFile] = {}
    for diff in diffs:
        for each in diff:
            if each.file:
                _add(found, each.file, each.additions, each.deletions, _status(each.status))
    if not found:
        for event in returned:
            if event.diff:
                _add_diff(found, event.diff, folder)
    if not found:
        return None
    files = [found[path] for path in sorted(found)]
    return FilesChanged(files=files[:MOST_FILES], more=max(0, len(files) - MOST_FILES))


def _add(
    found: dict[str, ChangedFile], path: str, additions: int, deletions: int, status: Status
) -> None:
    before = found.get(path)
    if before is not None:
        additions, deletions = additions + before.additions, deletions + before.deletions
        status = "added" if before.status == "added" and status == "modified" else status
    found[path] = ChangedFile(path=path, additions=additions, deletions=deletions, status=status)


def _add_diff(found: dict[str, ChangedFile], diff: str, folder: str) -> None:
    lines = diff.splitlines()
    path = next((line[4:].split("\t")[0] for line in lines if line.startswith("+++ ")), "")
    if not path:
        return
    pure = PurePath(path)
    if pure.is_relative_to(folder):
        path = str(pure.relative_to(folder))
    changes = [line for line in lines if not line.startswith(("+++", "---", "@@"))]
    is_new = any(line.startswith("--- /dev/null") for line in lines)
    _add(
        found,
        path,
        sum(line.startswith("+") for line in changes),
        sum(line.startswith("-") for line in changes),
        "added" if is_new else "modified",
    )


def _status(said: str) -> Status:
    return said if said in ("added", "modified", "deleted") else "modified"
