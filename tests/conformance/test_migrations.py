"""A database of an earlier schema becomes one of today's, with all that was in it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, UserId
from open_agent.store import migrations
from open_agent.store.database import open_database
from open_agent.store.postgres.opening import prepare
from open_agent.store.schema import VERSION_TABLE
from open_agent.store.sqlite.database import FILE_NAME
from open_agent.store.tables import metadata
from open_agent.testing.postgres import PostgresServer

FIRST = Path(__file__).parents[1] / "golden" / "0.1.0.dev1" / FILE_NAME
"""Written at revision 0001."""
OWNER = UserId("default")
UNFINISHED = MissionId("a0000000-0000-4000-8000-000000000003")


def is_compared(name: str | None, *_: Any) -> bool:
    """Words are looked up differently on each database; `test_log_search.py` sees that they are."""
    return name not in ("texts_words", "vector")


OPTIONS: dict[str, Any] = {
    "version_table": VERSION_TABLE,
    "compare_server_default": True,
    "include_name": is_compared,
}


@pytest.fixture
def new_url(postgres: PostgresServer) -> Iterator[str]:
    """A database of its own, without a table."""
    yield postgres.create_database("migrated")
    postgres.drop_database("migrated")


def engine_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def create_first(connection: Connection) -> None:
    """The tables of revision 0001."""
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


def copy_first(url: str) -> None:
    """What the first schema's golden database holds, on PostgreSQL."""
    engine = create_engine(engine_url(url))
    with engine.begin() as connection:
        create_first(connection)
    engine.dispose()
    with closing(sqlite3.connect(FIRST)) as source, psycopg.connect(url) as target:
        for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            if table == VERSION_TABLE:
                continue
            found = source.execute(f"SELECT * FROM {table}")
            names = ", ".join(f'"{column[0]}"' for column in found.description)
            places = ", ".join(["%s"] * len(found.description))
            insert = f"INSERT INTO {table} ({names}) VALUES ({places})"
            target.cursor().executemany(insert.encode(), found.fetchall())


def test_migrating_postgres_leads_to_the_tables_of_today(new_url: str) -> None:
    prepare(new_url)
    engine = create_engine(engine_url(new_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=OPTIONS)
        assert compare_metadata(context, metadata) == []
        migrated = partial_indexes(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert migrated == partial_indexes(connection)
    engine.dispose()


def partial_indexes(connection: Connection) -> dict[str, str]:
    """Which rows each index is for, where it is not for all."""
    found: dict[str, str] = {}
    for table in metadata.tables:
        for index in inspect(connection).get_indexes(table):
            if condition := index.get("dialect_options", {}).get("postgresql_where"):
                found[str(index["name"])] = condition
    return found


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_waited_in_a_database_of_the_first_schema_still_waits(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = None
    if kind == "postgres":
        url = request.getfixturevalue("new_url")
        copy_first(url)
    else:
        shutil.copy(FIRST, tmp_path / FILE_NAME)
    async with await open_database(tmp_path, SystemClock(), url=url) as db:
        rebuilt, stored = await db.upkeep.rebuilt(), await db.upkeep.stored()
        mission = await db.missions.get(UNFINISHED, owner=OWNER)

    assert rebuilt == stored
    assert [row.message_id[-1] for row in stored.queues[UNFINISHED]] == ["8"]
    assert (mission.messages, mission.queued, mission.is_held) == (3, 1, False)
