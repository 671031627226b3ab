"""A folder for what a server keeps while it runs: outputs, sockets, profiles.

It is gone when the server has ended. After a `kill -9`, the next server that starts removes it.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from open_agent.workspaces.alone import SUPERVISOR_LOCK

PREFIX = "open-agent-mcp-"
LOCK = "lock"
LONGEST_FOLDER = 80
"""Bytes of the path of a folder with sockets in it. The path of a socket has 107 at most (unix(7));
programs cut off what is longer, and of two sockets the same may be left."""
SHORT_PARENT = Path("/tmp")  # noqa: S108 - only for folders that `mkdtemp` makes


@contextmanager
def scratch_folder(parent: Path | None = None) -> Generator[Path]:
    """A new folder that only this account can read; by default where temporary files go."""
    parent = parent or Path(tempfile.gettempdir())
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def socket_folder(scratch: Path) -> Generator[Path]:
    """A folder for sockets: the one given, or another one where its path is too long for them."""
    if len(os.fsencode(scratch)) <= LONGEST_FOLDER:
        yield scratch
        return
    with scratch_folder(SHORT_PARENT) as folder:
        yield folder


def _sweep(parent: Path) -> None:
    """Remove what servers left that were killed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether neither its server nor anything that this has started still runs."""
    return _is_free(folder / LOCK) and (
        not (folder / SUPERVISOR_LOCK).exists() or _is_free(folder / SUPERVISOR_LOCK)
    )


def _is_free(path: Path) -> bool:
    # A folder without its lock was made this very moment.
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
