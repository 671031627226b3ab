"""The store on SQLite, put together."""

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.store.accounts import AccountStatements, StoredAccounts
from open_agent.store.audit import AuditStatements, StoredAudit
from open_agent.store.base import Database
from open_agent.store.blobs import FileBlobs
from open_agent.store.control import ControlStatements, StoredControl
from open_agent.store.data_dir import DataDir
from open_agent.store.dialect import sqlite_compiler, sqlite_search
from open_agent.store.listeners import Listeners
from open_agent.store.log import LogStatements, StoredLog
from open_agent.store.mcp_servers import McpStatements, StoredMcp
from open_agent.store.mission_queries import MissionStatements
from open_agent.store.missions import MissionStore
from open_agent.store.sqlite.changer import SqliteChanger
from open_agent.store.sqlite.connection import connect_writer
from open_agent.store.sqlite.leases import LeaseStatements, SqliteLeases
from open_agent.store.sqlite.opening import prepare
from open_agent.store.sqlite.reader import SqliteReader
from open_agent.store.sqlite.transaction import WriteStatements
from open_agent.store.sqlite.writer import OnStage, SqliteWriter
from open_agent.store.upkeep import StoredUpkeep, UpkeepStatements
from open_agent.store.workspaces import StoredWorkspaces, WorkspaceStatements

FILE_NAME = "open-agent.db"


class SqliteStatements:
    """All the SQL, built once: 12 ms for a server, too long for a test that opens thousands."""

    def __init__(self) -> None:
        compile_ = sqlite_compiler()
        self.write = WriteStatements(compile_)
        self.log = LogStatements(compile_)
        self.missions = MissionStatements(compile_, sqlite_search())
        self.control = ControlStatements(compile_)
        self.leases = LeaseStatements(compile_)
        self.upkeep = UpkeepStatements(compile_)
        self.accounts = AccountStatements(compile_)
        self.audit = AuditStatements(compile_)
        self.mcp = McpStatements(compile_)
        self.workspaces = WorkspaceStatements(compile_)


async def open_sqlite(
    directory: DataDir,
    clock: Clock,
    on_stage: OnStage | None = None,
    sql: SqliteStatements | None = None,
) -> Database:
    """Open the SQLite database of a directory that is locked."""
    path = directory.path / FILE_NAME
    host_id = await anyio.to_thread.run_sync(lambda: (prepare(path), directory.host_id)[1])
    sql = sql or SqliteStatements()
    listeners = Listeners()
    reader = SqliteReader(path)
    writer = SqliteWriter(lambda: connect_writer(path), sql.write, clock, listeners, on_stage)

    changer = SqliteChanger(writer)

    async def close() -> None:
        await reader.close()
        await writer.close()
        directory.close()

    return Database(
        log=StoredLog(writer, reader, sql.log, listeners),
        missions=MissionStore(reader, sql.missions),
        control=StoredControl(reader, sql.control),
        leases=SqliteLeases(writer, reader, sql.leases, clock),
        blobs=FileBlobs(directory.path / "blobs"),
        upkeep=StoredUpkeep(reader, sql.upkeep),
        accounts=StoredAccounts(changer, reader, sql.accounts),
        audit=StoredAudit(changer, reader, sql.audit),
        mcp=StoredMcp(changer, reader, sql.mcp),
        workspaces=StoredWorkspaces(changer, reader, sql.workspaces),
        host_id=host_id,
        slot=directory.slot,
        close=close,
    )
