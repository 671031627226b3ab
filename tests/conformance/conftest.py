"""Every database that the suite of the log is held against."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from open_agent.core.clock import SystemClock
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.store.tables import metadata
from open_agent.testing.database import open_memory_database
from open_agent.testing.postgres import PostgresServer, running_postgres

KINDS = ["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)]
"""`make check` does without the one that has to be started."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. There is no skipping it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """A database of that server in which nothing has happened."""
    url = postgres.url()
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        found = {row[0] for row in connection.execute(query)}
        if names := sorted(found & metadata.tables.keys()):
            connection.execute(f"TRUNCATE {', '.join(names)}".encode())
    return url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return request.param


@pytest.fixture
async def db(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database."""
    match kind:
        case "memory":
            opened = open_memory_database(tmp_path / "blobs")
        case "sqlite":
            opened = await open_database(tmp_path / "data", SystemClock())
        case _:
            url = request.getfixturevalue("postgres_url")
            opened = await open_database(tmp_path / "data", SystemClock(), url=url)
    async with opened:
        yield opened
