"""MCP servers, and with them the tools of missions."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from open_agent.core.clock import SystemClock
from open_agent.core.errors import OpenAgentError
from open_agent.core.mission import MissionKind
from open_agent.mcp.client.pool import Times
from open_agent.services.access.assembly import AccessServices
from open_agent.services.access.audit import Audit
from open_agent.services.mcp.assembly import McpParts, McpServices
from open_agent.services.mcp.assembly import open_mcp as assemble
from open_agent.settings.settings import Settings
from open_agent.store.database import Database
from open_agent.tools.standard import standard_tools
from open_agent.workspaces.isolation import Isolation


def _make(
    settings: Settings, database: Database, isolation: Isolation, audit: Audit
) -> McpServices:
    """MCP servers, and with them the tools of missions."""
    parts = McpParts(
        isolation=isolation,
        clock=SystemClock(),
        folder=settings.data_dir / f"mcp-{database.slot}",
        working_dir=settings.working_dir,
        own={kind: standard_tools(kind) for kind in MissionKind},
        times=Times(idle=settings.mcp_idle_seconds, call=settings.mcp_call_seconds),
        settings={
            "DATA_DIR": str(settings.data_dir),
            "ALLOW_PRIVATE_HOSTS": str(settings.allow_private_hosts).lower(),
            "DESKTOP_RESOLUTION": settings.desktop_resolution,
        },
        rules={"APPROVALS": json.dumps([rule.model_dump() for rule in settings.approvals])},
    )
    return assemble(database, parts, audit)


@asynccontextmanager
async def open_mcp(
    settings: Settings, database: Database, isolation: Isolation, access: AccessServices
) -> AsyncGenerator[McpServices]:
    """MCP servers; what runs of them ends with the context."""
    mcp = _make(settings, database, isolation, access.audit)
    await mcp.start()
    access.users.on_leave(mcp.let_go)
    watching = asyncio.create_task(mcp.look_after(is_shared=settings.database_url is not None))
    try:
        yield mcp
    finally:
        watching.cancel()
        with suppress(OpenAgentError):
            await mcp.close()
