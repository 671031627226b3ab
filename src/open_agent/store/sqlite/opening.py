"""Opening a SQLite database: looked at first, migrated if old, refused if unfit."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from open_agent.core.errors import Unavailable
from open_agent.store.schema import VERSION_TABLE, migrate, needs_migration
from open_agent.store.sqlite.connection import connect_writer, log_of, look_at

CHECKED_BYTES = 64 * 1024 * 1024
"""Databases up to this size are checked page by page at every start (0.2 s at most)."""


def prepare(path: Path) -> None:
    """Make the file fit to be written, or raise and leave it as it is.

    Raises:
        Conflict: It is newer than this program, or not ours.
        Unavailable: It is damaged (`storage.corrupt`) or cannot be used (`storage.failed`).
    """
    _refuse_unfit_files(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        is_old = needs_migration(*_look(path), where=f"The database {path}")
        with closing(connect_writer(path)) as connection:
            if is_old:
                with _engine(connection).begin() as migrating:
                    migrate(migrating)
            # Leases end with their process, and the lock on DATA_DIR says that it ended.
            connection.execute("UPDATE missions SET holder = NULL WHERE holder IS NOT NULL")
    except (sqlite3.OperationalError, DBAPIError) as error:
        raise Unavailable(
            "storage.failed",
            f"The database {path} cannot be opened: {_reason(error)}. Check that its disk has room and"
            " that this user may write there.",
        ) from error
    except sqlite3.DatabaseError as error:
        raise _corrupt(path, str(error)) from error


def _refuse_unfit_files(path: Path) -> None:
    """Refuse what SQLite would take for a new database, though there was one."""
    if path.exists() and not path.is_file():
        raise Unavailable(
            "storage.failed",
            f"{path} should be the database, and is no file. Move it away, or set DATA_DIR to"
            " another directory.",
        )
    log = log_of(path)
    is_empty = not path.exists() or path.stat().st_size == 0
    if is_empty and log is not None:
        raise Unavailable(
            "storage.corrupt",
            f"The database {path} is missing or empty, but its write-ahead log {log.name} is not:"
            " starting would throw away what it holds. Put the database back from a backup, or"
            " move both files away to begin anew.",
        )


def _look(path: Path) -> tuple[set[str], str | None]:
    """Which tables there are, and the version they say they have; the files stay as they are."""
    with closing(look_at(path)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if path.stat().st_size <= CHECKED_BYTES:
            (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if finding != "ok":
                raise _corrupt(path, finding)
        if VERSION_TABLE not in tables:
            return tables, None
        row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608
        return tables, row and row[0]


def _engine(connection: sqlite3.Connection) -> Engine:
    """An engine for Alembic on our own connection, with transactions that include DDL."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(migrating: object) -> None:
        connection.execute("BEGIN IMMEDIATE")

    return engine


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error)


def _corrupt(path: Path, finding: str) -> Unavailable:
    return Unavailable(
        "storage.corrupt",
        f"The database {path} is damaged ({finding}). Nothing was changed. Restore it from a"
        f" backup, or keep it and start afresh: move {path.name}, {path.name}-wal and"
        f" {path.name}-shm away together. What can still be read of it:"
        f" sqlite3 {path} .recover",
    )
