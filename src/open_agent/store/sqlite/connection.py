"""How this program opens a SQLite file, and the only place where it does."""

import sqlite3
from pathlib import Path

BUSY_TIMEOUT_SECONDS = 10.0
"""Another process may hold the file for a moment: a backup, or somebody's `sqlite3` shell."""
CHECKPOINT_PAGES = 4000
"""When the write-ahead log is carried over, 16 MB: each time costs two waits for the disk."""
JOURNAL_LIMIT_BYTES = 64 * 1024 * 1024
"""What a write-ahead log is cut back to after a long reader let it grow."""


def connect_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes: durable at every commit, also through a power cut."""
    connection = _connect(f"file:{_quoted(path)}?mode=rwc")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT_BYTES}")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Not bound to the thread that opened it."""
    connection = _connect(f"file:{_quoted(path)}?mode=rw")
    connection.execute("PRAGMA query_only = ON")
    return connection


def look_at(path: Path) -> sqlite3.Connection:
    """A connection that leaves a file that may not be ours, and all beside it, as they are.

    A write-ahead log with something in it has to be read too, which takes an index: `-shm`, for
    whoever opens the file next to build anew.
    """
    how = "immutable=1" if log_of(path) is None else "mode=ro"
    return _connect(f"file:{_quoted(path)}?{how}")


def log_of(path: Path) -> Path | None:
    """The database's write-ahead log, if there is something in it."""
    log = path.with_name(f"{path.name}-wal")
    return log if log.is_file() and log.stat().st_size > 0 else None


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_TIMEOUT_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
