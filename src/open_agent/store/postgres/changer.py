"""Changing rows beside the log, each change in a transaction of its own."""

from collections.abc import Sequence

import psycopg
from psycopg_pool import PoolTimeout

from open_agent.store.postgres.pool import Pool
from open_agent.store.postgres.reader import unavailable
from open_agent.store.rows import Row
from open_agent.store.statement import Query


class PostgresChanger:
    """`Changer` on PostgreSQL."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def change(self, steps: Sequence[Query]) -> list[list[Row]]:
        """Carry out statements in one transaction; what each returned, if anything."""
        try:
            return await self._change(steps)
        except psycopg.errors.UniqueViolation:
            # Two have looked for the same row, found none and made it. By now it is there: the
            # second look finds it.
            return await self._change(steps)

    async def _change(self, steps: Sequence[Query]) -> list[list[Row]]:
        found: list[list[Row]] = []
        try:
            async with self._pool.connection() as connection, connection.transaction():
                for step in steps:
                    cursor = await connection.execute(step.text.encode(), step.values)
                    found.append(list(await cursor.fetchall()) if cursor.description else [])
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error
        return found
