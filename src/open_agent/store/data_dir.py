"""`DATA_DIR`: a private folder, held by one server, or shared slot by slot on PostgreSQL.

The locks are the kernel's (`flock`): they are gone the moment their process is, however it ended.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from open_agent.core.errors import Conflict, Unavailable
from open_agent.core.ids import is_uuid, new_uuid

MAX_SLOTS = 64


class DataDir:
    """An opened and locked data directory; `close` gives it up.

    Attributes:
        path: Where it is.
        slot: Which of the processes that share it this is; 0 when it is not shared.
    """

    def __init__(self, path: Path, slot: int, locks: list[int]) -> None:
        self.path = path
        self.slot = slot
        self._locks = locks

    @classmethod
    def open(cls, path: Path, *, is_shared: bool) -> Self:
        """Make the directory if need be, private to its user, and lock it.

        Raises:
            Conflict: Another server holds it (`data_dir.in_use`).
            Unavailable: It cannot be made or written (`data_dir.unusable`).
        """
        path = path.absolute()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls._open_shared(path) if is_shared else cls._open_alone(path)
        except OSError as error:
            raise Unavailable(
                "data_dir.unusable",
                f"DATA_DIR {path} cannot be used: {error.strerror}. Set DATA_DIR to a directory"
                " on a local disk that this user may write.",
            ) from error

    @classmethod
    def _open_alone(cls, path: Path) -> Self:
        lock = _lock(path / "lock", fcntl.LOCK_EX)
        if lock is None:
            raise _in_use(path)
        _sign(lock)
        return cls(path, 0, [lock])

    @classmethod
    def _open_shared(cls, path: Path) -> Self:
        lock = _lock(path / "lock", fcntl.LOCK_SH)
        if lock is None:
            raise _in_use(path)
        # Whoever had it alone is gone; nobody is to be told of that pid.
        os.ftruncate(lock, 0)
        for slot in range(MAX_SLOTS):
            slot_lock = _lock(path / f"slot-{slot}", fcntl.LOCK_EX)
            if slot_lock is not None:
                _sign(slot_lock)
                return cls(path, slot, [lock, slot_lock])
        os.close(lock)
        raise Conflict(
            "data_dir.in_use",
            f"{MAX_SLOTS} processes share DATA_DIR {path} already; give this one its own.",
        )

    @property
    def host_id(self) -> str:
        """What tells this directory, and the workspaces beside it, from those of other hosts."""
        file = self.path / "host_id"
        if not file.exists():
            draft = self.path / f"host_id.{os.getpid()}"
            draft.write_text(new_uuid() + "\n")
            try:
                # A link appears whole or not at all, and never replaces what is there.
                with suppress(FileExistsError):
                    file.hardlink_to(draft)
            finally:
                draft.unlink()
        text = file.read_text().strip()
        if not is_uuid(text):
            raise Unavailable(
                "data_dir.damaged",
                f"{file} should hold the id of this host and holds something else. Restore it"
                " from a backup; without it the workspaces of old missions cannot be told apart.",
            )
        return text

    def close(self) -> None:
        """Let others have it."""
        while self._locks:
            os.close(self._locks.pop())


def _lock(path: Path, kind: int) -> int | None:
    """An open descriptor that holds the lock, or nothing while somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _sign(lock: int) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _in_use(path: Path) -> Conflict:
    pid = (path / "lock").read_text().strip()
    who = f"a server with pid {pid}" if pid.isdigit() else "another server"
    return Conflict(
        "data_dir.in_use",
        f"DATA_DIR {path} is in use by {who}. Stop it first, or set DATA_DIR to another directory.",
        {"pid": int(pid)} if pid.isdigit() else None,
    )
