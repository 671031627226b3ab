"""Opening a PostgreSQL database: looked at first, migrated if old, refused if unfit."""

import psycopg
from sqlalchemy import StaticPool, create_engine
from sqlalchemy.exc import DBAPIError

from open_agent.core.errors import Unavailable
from open_agent.store.postgres.pool import CONNECT_SECONDS, place_of
from open_agent.store.schema import VERSION_TABLE, migrate, needs_migration
from open_agent.store.tables import metadata

MIGRATION_LOCK = 0x0A6E_0002
"""Processes that start together migrate one after another."""


def prepare(url: str) -> None:
    """Make the database fit to be written, or raise and leave it as it is. Blocks.

    Raises:
        Conflict: It is newer than this program, or its tables are not ours.
        Invalid: `url` cannot be understood (`storage.url_invalid`).
        Unavailable: It cannot be reached (`storage.unreachable`) or changed (`storage.failed`).
    """
    place = place_of(url)
    try:
        with psycopg.connect(url, connect_timeout=int(CONNECT_SECONDS)) as connection:
            if needs_migration(*_look(connection), where=place):
                _migrate(connection, place)
    except psycopg.OperationalError as error:
        raise Unavailable(
            "storage.unreachable",
            f"{place} cannot be reached: {error}. Start it, or correct DATABASE_URL.",
        ) from error
    except (psycopg.Error, DBAPIError) as error:
        raise Unavailable(
            "storage.failed",
            f"{place} cannot be prepared: {_reason(error)}. The user in DATABASE_URL must be allowed to"
            " create tables.",
        ) from error


def _look(connection: psycopg.Connection) -> tuple[set[str], str | None]:
    """Which of our tables there are, and the version they say they have."""
    ours = [*metadata.tables, VERSION_TABLE]
    rows = connection.execute(
        "SELECT tablename FROM pg_tables"
        " WHERE schemaname = current_schema() AND tablename = ANY(%s)",
        (ours,),
    )
    tables = {row[0] for row in rows}
    if VERSION_TABLE not in tables:
        return tables, None
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}".encode()).fetchone()  # noqa: S608
    return tables, row[0] if row else None


def _migrate(connection: psycopg.Connection, place: str) -> None:
    """Run Alembic, unless another process has done it in the meantime."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool
    )
    # Locked only now: getting acquainted, SQLAlchemy ends whatever transaction it finds.
    with engine.begin() as migrating:
        migrating.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        if needs_migration(*_look(connection), where=place):
            migrate(migrating)


def _reason(error: Exception) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).strip()
