"""The store on SQLite, put together."""

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.store.base import Database
from open_agent.store.blobs import FileBlobs
from open_agent.store.data_dir import DataDir
from open_agent.store.dialect import sqlite_compiler
from open_agent.store.listeners import Listeners
from open_agent.store.log import StoredLog
from open_agent.store.missions import MissionStore
from open_agent.store.sqlite.connection import connect_writer
from open_agent.store.sqlite.leases import SqliteLeases
from open_agent.store.sqlite.opening import prepare
from open_agent.store.sqlite.reader import SqliteReader
from open_agent.store.sqlite.transaction import WriteStatements
from open_agent.store.sqlite.writer import OnStage, SqliteWriter
from open_agent.store.upkeep import StoredUpkeep

FILE_NAME = "open-agent.db"


async def open_sqlite(directory: DataDir, clock: Clock, on_stage: OnStage | None) -> Database:
    """Open the SQLite database of a directory that is locked."""
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
        upkeep=StoredUpkeep(reader, compile_),
        host_id=host_id,
        slot=directory.slot,
        close=close,
    )
