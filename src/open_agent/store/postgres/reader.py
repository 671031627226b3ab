"""Reading from PostgreSQL, each statement on a connection of the pool."""

from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from open_agent.core.errors import Unavailable
from open_agent.store.postgres.pool import Pool
from open_agent.store.rows import Row
from open_agent.store.statement import Statement

T = TypeVar("T")


class PostgresReader:
    """`Reader` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def fetch(
        self, statement: Statement, into: Callable[[Row], T], **values: object
    ) -> list[T]:
        """The rows of `statement`, each turned `into` a value."""
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(statement.text.encode(), statement.bind(**values))
                rows = await cursor.fetchall()
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error
        return [into(row) for row in rows]


def unavailable(error: Exception) -> Unavailable:
    """What a failure of the database means to whoever asked."""
    return Unavailable(
        "storage.failed",
        f"PostgreSQL failed: {error}. When a connection is lost in the middle of a commit, nobody"
        " can say whether it was made: look before asking again.",
    )
