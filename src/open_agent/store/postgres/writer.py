"""Appending to PostgreSQL: whatever waits while a commit is under way shares the next one.

One task per process commits, on one connection at a time. Processes that append at the same
moment take turns at the rows they share, and only at those.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from open_agent.core.clock import Clock
from open_agent.core.errors import Unavailable
from open_agent.core.ids import UserId
from open_agent.events.log import Appended, Opened
from open_agent.store.ledger import Ledger
from open_agent.store.listeners import Listeners
from open_agent.store.postgres.pool import Connection, Pool
from open_agent.store.postgres.reader import unavailable
from open_agent.store.postgres.statements import BatchStatements
from open_agent.store.postgres.transaction import Batch, load, write
from open_agent.store.requests import (
    AnyRequest,
    AppendRequest,
    DeleteRequest,
    ExternalRequest,
    OpenRequest,
)
from open_agent.store.rows import StoredEvent

MAX_BATCH = 256
"""Requests in one commit: bounds how long an owner's row stays locked."""
MAX_TRIES = 5
"""Of a batch that lost a quarrel over locks."""
CLOSE_SECONDS = 2.0
"""What commits get that wait when the server ends; nobody was told that they were made."""


@dataclass(slots=True)
class _Pending:
    request: AnyRequest
    future: asyncio.Future[Any]


class PostgresWriter:
    """`Writer` on PostgreSQL."""

    def __init__(
        self, pool: Pool, statements: BatchStatements, clock: Clock, listeners: Listeners
    ) -> None:
        self._pool = pool
        self._statements = statements
        self._clock = clock
        self._listeners = listeners
        self._known_owners: set[UserId] = set()
        self._gathered: list[_Pending] = []
        self._wake = asyncio.Event()
        self._is_closed = False
        self._task = asyncio.create_task(self._work(), name="postgres-writer")

    async def append(self, request: AppendRequest | ExternalRequest) -> Appended:
        """Carry out an append."""
        return await self._submit(request)

    async def delete(self, request: DeleteRequest) -> Appended:
        """Remove missions."""
        return await self._submit(request)

    async def open(self, request: OpenRequest) -> Opened:
        """Create a mission."""
        return await self._submit(request)

    async def close(self) -> None:
        """Commit what waits, then stop; a database that is gone keeps nobody waiting."""
        self._is_closed = True
        self._wake.set()
        if self._task in (await asyncio.wait({self._task}, timeout=CLOSE_SECONDS))[1]:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)

    def _submit(self, request: AnyRequest) -> asyncio.Future[Any]:
        if self._is_closed:
            raise Unavailable("storage.closed", "The server is shutting down; try again later.")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._gathered.append(_Pending(request, future))
        self._wake.set()
        return future

    async def _work(self) -> None:
        while self._gathered or not self._is_closed:
            await self._wake.wait()
            self._wake.clear()
            while self._gathered:
                batch, self._gathered = self._gathered[:MAX_BATCH], self._gathered[MAX_BATCH:]
                await self._commit([each for each in batch if not each.future.done()])

    async def _commit(self, batch: Sequence[_Pending], tries: int = 1) -> None:
        if not batch:
            return
        try:
            results, written = await self._transact([each.request for each in batch])
        except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure) as error:
            if tries < MAX_TRIES:
                return await self._commit(batch, tries + 1)
            results, written = [unavailable(error) for _ in batch], []
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout) as error:
            results, written = [unavailable(error) for _ in batch], []
        except Exception as error:  # noqa: BLE001 # boundary: no request may end the writer
            if len(batch) > 1:
                for each in batch:
                    await self._commit([each])
                return
            results, written = [error], []
        self._deliver(batch, results, written)

    async def _transact(
        self, requests: Sequence[AnyRequest]
    ) -> tuple[list[Any], list[StoredEvent]]:
        async with self._pool.connection() as connection:
            await self._add_owners(connection, requests)
            rows = await load(connection, self._statements, Batch(requests))
            ledger = Ledger(rows, self._clock.now())
            results = [_carry_out(ledger, request) for request in requests]
            if ledger.new:
                await write(connection, self._statements, ledger)
            else:
                await connection.execute(b"ROLLBACK")
        return results, ledger.new

    async def _add_owners(self, connection: Connection, requests: Sequence[AnyRequest]) -> None:
        """Give new owners their row before the transaction, which can then lock it in order."""
        named = {r.owner for r in requests if isinstance(r, OpenRequest)}
        if new := named - self._known_owners:
            await connection.execute(self._statements.add_owners, (sorted(new),))
            self._known_owners |= new

    def _deliver(
        self, batch: Sequence[_Pending], results: Sequence[Any], written: Sequence[StoredEvent]
    ) -> None:
        self._listeners.tell(written)
        for pending, result in zip(batch, results, strict=True):
            if pending.future.done():
                continue
            if isinstance(result, Exception):
                pending.future.set_exception(result)
            else:
                pending.future.set_result(result)


def _carry_out(ledger: Ledger, request: AnyRequest) -> Any:
    try:
        return ledger.carry_out(request)
    except Exception as refusal:  # noqa: BLE001 # boundary: it changed nothing, and fails alone
        return refusal
