"""Rows beside the log, in a SQLite database that is only memory: for databases of tests."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from open_agent.store.rows import Row
from open_agent.store.statement import Query, Statement

T = TypeVar("T")


class MemoryRows:
    """`Reader` and `Changer` of some tables."""

    def __init__(self, *tables: Table) -> None:
        self._tables = tables
        self._limiter = anyio.CapacityLimiter(1)
        self._connection: sqlite3.Connection | None = None

    async def fetch(
        self, statement: Statement, into: Callable[[Row], T], **values: object
    ) -> list[T]:
        """The rows of `statement`, each turned `into` a value."""
        (rows,) = await self.change([statement.query(**values)])
        return [into(row) for row in rows]

    async def change(self, steps: Sequence[Query]) -> list[list[Row]]:
        """Carry out statements, one change after another."""
        return await anyio.to_thread.run_sync(self._change, steps, limiter=self._limiter)

    def close(self) -> None:
        """Forget everything."""
        if self._connection is not None:
            self._connection.close()

    def _change(self, steps: Sequence[Query]) -> list[list[Row]]:
        connection = self._connection = self._connection or self._connect()
        return [connection.execute(step.text, step.values).fetchall() for step in steps]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for table in self._tables:
            connection.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
        return connection
