"""The one thread that writes to a SQLite database.

Whatever asks to be written while a commit is under way shares the next one, so that the cost of
a durable commit is divided among all that wait. Knows nothing of what is written: requests are
carried out by a `Transaction`, other jobs are functions of the connection.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.core.errors import Unavailable
from open_agent.events.log import Appended, Opened
from open_agent.store.listeners import Listeners
from open_agent.store.requests import (
    AnyRequest,
    AppendRequest,
    DeleteRequest,
    ExternalRequest,
    OpenRequest,
)
from open_agent.store.rows import StoredEvent
from open_agent.store.sqlite.transaction import Cache, Transaction, WriteStatements

MAX_BATCH = 512
"""Requests in one commit: bounds how long the first of them waits for the last."""

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], Any]
OnStage = Callable[[str], None]
"""Told, on the writer's thread, of `begin`, `commit` and `committed`; for the crash harness."""


@dataclass(slots=True)
class _Pending:
    job: AnyRequest | Job
    future: asyncio.Future[Any]


class SqliteWriter:
    """Hands requests to the writer's thread and their results back to the event loop."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        statements: WriteStatements,
        clock: Clock,
        listeners: Listeners,
        on_stage: OnStage | None = None,
    ) -> None:
        self._connect = connect
        self._statements = statements
        self._clock = clock
        self._listeners = listeners
        self._on_stage = on_stage or _nothing
        self._cache = Cache()
        self._connection: sqlite3.Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._gathered: list[_Pending] = []
        self._queue: queue.SimpleQueue[list[_Pending] | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def append(self, request: AppendRequest | ExternalRequest) -> Appended:
        """Carry out an append."""
        return await self._submit(request)

    async def delete(self, request: DeleteRequest) -> Appended:
        """Remove missions."""
        return await self._submit(request)

    async def open(self, request: OpenRequest) -> Opened:
        """Create a mission."""
        return await self._submit(request)

    async def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the writing connection, inside the transaction that others share.

        It must not commit, and what it raises must have changed nothing.
        """
        return await self._submit(job)

    async def close(self) -> None:
        """Commit what waits, then end the thread and close its connection."""
        if not self._is_closed:
            self._is_closed = True
            self._hand_over()
            self._queue.put(None)
            await anyio.to_thread.run_sync(self._thread.join)

    def _submit(self, job: AnyRequest | Job) -> asyncio.Future[Any]:
        if self._is_closed:
            raise Unavailable("storage.closed", "The server is shutting down; try again later.")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._gathered.append(_Pending(job, future))
        if len(self._gathered) == 1:
            # Whatever else becomes ready in this turn of the loop goes along.
            self._loop.call_soon(self._hand_over)
        return future

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            is_last = False
            while len(batch) < MAX_BATCH and not self._queue.empty():
                more = self._queue.get()
                is_last = more is None
                batch += more or ()
            for start in range(0, len(batch), MAX_BATCH):
                self._commit(batch[start : start + MAX_BATCH])
            if is_last:
                break
        self._disconnect()

    def _commit(self, batch: Sequence[_Pending]) -> None:
        batch = [pending for pending in batch if not pending.future.cancelled()]
        try:
            results, written = self._transact(batch)
        except Exception as error:  # noqa: BLE001 # boundary: no failure may end the writer; each is handed back
            self._disconnect()
            if len(batch) > 1 and not _is_storage_failure(error):
                for pending in batch:
                    self._commit([pending])
                return
            results, written = [_explained(error) for _ in batch], []
        self._loop.call_soon_threadsafe(self._deliver, batch, results, written)

    def _transact(self, batch: Sequence[_Pending]) -> tuple[list[Any], list[StoredEvent]]:
        connection = self._connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        self._on_stage("begin")
        transaction = Transaction(connection, self._statements, self._cache, self._clock.now())
        results = [_carry_out(transaction, pending.job) for pending in batch]
        transaction.flush()
        self._on_stage("commit")
        connection.execute("COMMIT")
        transaction.committed()
        self._on_stage("committed")
        return results, transaction.written

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

    def _disconnect(self) -> None:
        """Drop the connection, and with it whatever it had not committed."""
        self._cache.clear()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _carry_out(transaction: Transaction, job: AnyRequest | Job) -> Any:
    try:
        if isinstance(job, OpenRequest | AppendRequest | ExternalRequest | DeleteRequest):
            return transaction.ledger.carry_out(job)
        return transaction.run(job)
    except sqlite3.Error:
        raise
    except Exception as refusal:  # noqa: BLE001 # boundary: it changed nothing, and fails alone
        return refusal


def _is_storage_failure(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _explained(error: Exception) -> Exception:
    if not _is_storage_failure(error):
        return error
    failure = Unavailable(
        "storage.failed",
        f"The database cannot be written: {error}. Nothing of this was recorded. Make room on"
        " the disk or look after it (`open-agent doctor` says more), then try again.",
    )
    failure.__cause__ = cast(BaseException, error)
    return failure


def _nothing(stage: str) -> None:
    """No one is watching."""
