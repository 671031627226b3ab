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


@contextmanager
def scratch_folder() -> Generator[Path]:
    """A new folder that only this account can read."""
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


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
