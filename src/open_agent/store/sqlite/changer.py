"""Changing rows beside the log, through the one thread that writes."""

import sqlite3
from collections.abc import Sequence

from open_agent.store.rows import Row
from open_agent.store.sqlite.writer import SqliteWriter
from open_agent.store.statement import Query


class SqliteChanger:
    """`Changer` on SQLite."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer

    async def change(self, steps: Sequence[Query]) -> list[list[Row]]:
        """Carry out statements in one transaction; what each returned, if anything."""

        def job(connection: sqlite3.Connection) -> list[list[Row]]:
            return [connection.execute(step.text, step.values).fetchall() for step in steps]

        return await self._writer.run(job)
