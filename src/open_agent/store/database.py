"""Opening what we remember: one call in, everything that reads and writes it out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.events.blobs import BlobStore
from open_agent.events.log import EventLog
from open_agent.store.blobs import FileBlobs
from open_agent.store.data_dir import DataDir
from open_agent.store.dialect import sqlite_compiler
from open_agent.store.leases import Leases
from open_agent.store.listeners import Listeners
from open_agent.store.log import StoredLog
from open_agent.store.missions import Missions, MissionStore
from open_agent.store.sqlite.connection import connect_writer
from open_agent.store.sqlite.leases import SqliteLeases
from open_agent.store.sqlite.opening import prepare
from open_agent.store.sqlite.reader import SqliteReader
from open_agent.store.sqlite.transaction import WriteStatements
from open_agent.store.sqlite.writer import OnStage, SqliteWriter

FILE_NAME = "open-agent.db"


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; `async with` or `close` gives it up.

    Attributes:
        host_id: What tells this `DATA_DIR` from those of other hosts.
        slot: Which of the processes that share `DATA_DIR` this is.
    """

    log: EventLog
    missions: Missions
    leases: Leases
    blobs: BlobStore
    host_id: str
    slot: int
    close: Callable[[], Awaitable[None]]
    """Commit what waits, then close. Safe to call twice."""

    async def __aenter__(self) -> Self:
        """The database itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        with anyio.CancelScope(shield=True):
            await self.close()


async def open_database(
    data_dir: Path,
    clock: Clock,
    *,
    url: str | None = None,
    on_stage: OnStage | None = None,
) -> Database:
    """Open the database of `data_dir`, or the PostgreSQL at `url` with `data_dir` beside it.

    Belongs to the running event loop.

    Raises:
        Conflict: Another server has the directory, or the database is newer or not ours.
        Unavailable: The directory or the database cannot be used.
    """
    directory = await anyio.to_thread.run_sync(lambda: DataDir.open(data_dir, is_shared=bool(url)))
    try:
        return await _open_sqlite(directory, clock, on_stage)
    except BaseException:
        directory.close()
        raise


async def _open_sqlite(directory: DataDir, clock: Clock, on_stage: OnStage | None) -> Database:
    path = directory.path / FILE_NAME
    host_id = await anyio.to_thread.run_sync(lambda: (prepare(path), directory.host_id)[1])
    compile_ = sqlite_compiler()
    listeners = Listeners()
    reader = SqliteReader(path)
    statements = WriteStatements(compile_)
    writer = SqliteWriter(lambda: connect_writer(path), statements, clock, listeners, on_stage)

    async def close() -> None:
        await reader.close()
        await writer.close()
        directory.close()

    return Database(
        log=StoredLog(writer, reader, compile_, listeners),
        missions=MissionStore(reader, compile_),
        leases=SqliteLeases(writer, reader, compile_, clock),
        blobs=FileBlobs(directory.path / "blobs"),
        host_id=host_id,
        slot=directory.slot,
        close=close,
    )
