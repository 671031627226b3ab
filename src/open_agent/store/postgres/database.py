"""The store on PostgreSQL, put together."""

import anyio.to_thread

from open_agent.core.clock import Clock
from open_agent.store.accounts import AccountStatements, StoredAccounts
from open_agent.store.audit import AuditStatements, StoredAudit
from open_agent.store.base import Database
from open_agent.store.blobs import FileBlobs
from open_agent.store.control import ControlStatements, StoredControl
from open_agent.store.data_dir import DataDir
from open_agent.store.dialect import postgres_compiler, postgres_search
from open_agent.store.listeners import Listeners
from open_agent.store.log import LogStatements, StoredLog
from open_agent.store.mcp_servers import McpStatements, StoredMcp
from open_agent.store.mission_queries import MissionStatements
from open_agent.store.missions import MissionStore
from open_agent.store.postgres.changer import PostgresChanger
from open_agent.store.postgres.leases import LEASE_SECONDS, PostgresLeases
from open_agent.store.postgres.opening import prepare
from open_agent.store.postgres.pool import CLOSE_SECONDS, open_pool
from open_agent.store.postgres.reader import PostgresReader
from open_agent.store.postgres.statements import BatchStatements
from open_agent.store.postgres.writer import PostgresWriter
from open_agent.store.upkeep import StoredUpkeep, UpkeepStatements
from open_agent.store.workspaces import StoredWorkspaces, WorkspaceStatements


async def open_postgres(
    directory: DataDir, clock: Clock, url: str, *, lease_seconds: float = LEASE_SECONDS
) -> Database:
    """Open the PostgreSQL database at `url`, with blobs in a directory that is locked."""
    await anyio.to_thread.run_sync(prepare, url)
    host_id = await anyio.to_thread.run_sync(lambda: directory.host_id)
    pool = await open_pool(url)
    compile_ = postgres_compiler()
    listeners = Listeners()
    reader = PostgresReader(pool)
    writer = PostgresWriter(pool, BatchStatements(compile_), clock, listeners)

    changer = PostgresChanger(pool)

    async def close() -> None:
        await writer.close()
        await pool.close(CLOSE_SECONDS)
        directory.close()

    return Database(
        log=StoredLog(writer, reader, LogStatements(compile_), listeners),
        missions=MissionStore(reader, MissionStatements(compile_, postgres_search())),
        control=StoredControl(reader, ControlStatements(compile_)),
        leases=PostgresLeases(pool, reader, compile_, lease_seconds),
        blobs=FileBlobs(directory.path / "blobs"),
        upkeep=StoredUpkeep(reader, UpkeepStatements(compile_)),
        accounts=StoredAccounts(changer, reader, AccountStatements(compile_)),
        audit=StoredAudit(changer, reader, AuditStatements(compile_)),
        mcp=StoredMcp(changer, reader, McpStatements(compile_)),
        workspaces=StoredWorkspaces(changer, reader, WorkspaceStatements(compile_)),
        host_id=host_id,
        slot=directory.slot,
        close=close,
    )
