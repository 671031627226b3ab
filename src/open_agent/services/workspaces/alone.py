"""One at a time, among the processes that share a `DATA_DIR`.

The lock is the kernel's: it is gone the moment its process is, however it ended.
"""

import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

LOOK_SECONDS = 0.2


@asynccontextmanager
async def alone(path: Path) -> AsyncGenerator[None]:
    """Be the only one in here; the file at `path` is the lock, and is gone afterwards."""
    while (lock := await anyio.to_thread.run_sync(_try, path)) is None:  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_leave, path, lock)


def _try(path: Path) -> int | None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have taken the file away since it was opened.
        if os.stat(path).st_ino == os.fstat(lock).st_ino:  # noqa: PTH116 - beside `fstat`
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _leave(path: Path, lock: int) -> None:
    path.unlink(missing_ok=True)
    os.close(lock)
