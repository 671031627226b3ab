"""Reading beside the writer: a few connections that cannot write, used from threads."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from open_agent.core.errors import Unavailable
from open_agent.store.rows import Row
from open_agent.store.sqlite.connection import connect_reader
from open_agent.store.statement import Statement

MAX_READERS = 4

T = TypeVar("T")


class SqliteReader:
    """Statements run in a thread, at most `MAX_READERS` at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limiter = anyio.CapacityLimiter(MAX_READERS)
        self._idle: list[sqlite3.Connection] = []
        self._is_closed = False

    async def fetch(
        self, statement: Statement, into: Callable[[Row], T], **values: object
    ) -> list[T]:
        """The rows of `statement`, each turned `into` a value."""
        if self._is_closed:
            raise Unavailable("storage.closed", "The server is shutting down; try again later.")
        bound = statement.bind(**values)
        return await anyio.to_thread.run_sync(
            self._fetch, statement.text, bound, into, limiter=self._limiter
        )

    async def close(self) -> None:
        """Close every connection, after the statements under way."""
        if self._is_closed:
            return
        self._is_closed = True
        for _ in range(MAX_READERS):
            await self._limiter.acquire_on_behalf_of(object())
        while self._idle:
            self._idle.pop().close()

    def _fetch(self, text: str, values: tuple[object, ...], into: Callable[[Row], T]) -> list[T]:
        try:
            connection = self._take()
            rows = connection.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(
                "storage.failed",
                f"The database cannot be read: {error}. `open-agent doctor` says more.",
            ) from error
        self._idle.append(connection)
        return [into(row) for row in rows]

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return connect_reader(self._path)
