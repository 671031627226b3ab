"""MCP servers, with the original's routes and fields."""

from fastapi import APIRouter, Request

from open_agent.server.deps import AllServices, CurrentActor, McpIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.mcp_wire import (
    ChangeMcp,
    CreateMcp,
    Done,
    Imported,
    ImportMcp,
    McpServerState,
    RefreshStarted,
    SkippedServer,
    draft_of,
    shown,
)
from open_agent.server.routes.mcp_sign_in import CALLBACK
from open_agent.services.mcp.importing import read_servers

router = APIRouter(prefix="/api/mcp", tags=["mcp"], responses=failing(401, 403, 422))


@router.get("")
async def list_mcp(actor: CurrentActor, services: AllServices) -> list[McpServerState]:
    """The servers that the caller may use: everybody's and their own, oldest first."""
    return [shown(each) for each in await services.mcp.registry.all(actor)]


@router.post("", responses=failing(400, 413, 415, 429))
async def add_mcp(body: CreateMcp, actor: CurrentActor, services: AllServices) -> McpServerState:
    """Add a server. It is started, or connected to, when a mission needs it."""
    return shown(await services.mcp.registry.add(actor, draft_of(body)))


@router.post("/refresh")
async def refresh_all_mcp(
    request: Request, actor: CurrentActor, services: AllServices
) -> RefreshStarted:
    """Connect anew to all enabled servers that the caller may use, in the background."""
    await services.mcp.registry.refresh_all(actor, _callback(request))
    return RefreshStarted()


@router.post("/import", responses=failing(400, 413, 415, 429))
async def import_mcp(body: ImportMcp, actor: CurrentActor, services: AllServices) -> Imported:
    """Add the servers that another tool's file names. All or nothing of it is understood."""
    value = {"mcpServers": body.mcp_servers, "servers": body.servers, "mcp": body.mcp}
    entries = read_servers(value, where="What was sent")
    added, skipped = await services.mcp.registry.take_over(actor, entries, is_shared=body.shared)
    return Imported(
        added=[shown(each) for each in added],
        skipped=[SkippedServer(name=name, why=why) for name, why in skipped],
    )


@router.get("/{id}", responses=failing(404))
async def get_mcp(
    server_id: McpIdInPath, actor: CurrentActor, services: AllServices
) -> McpServerState:
    """One server."""
    return shown(await services.mcp.registry.get(actor, server_id))


@router.patch("/{id}", responses=failing(400, 404, 409, 413, 415))
async def change_mcp(
    server_id: McpIdInPath, body: ChangeMcp, actor: CurrentActor, services: AllServices
) -> McpServerState:
    """Change a server. Its id stays, and so do its secrets, but for those that are named."""
    return shown(await services.mcp.registry.change(actor, server_id, draft_of(body)))


@router.delete("/{id}", responses=failing(404))
async def remove_mcp(server_id: McpIdInPath, actor: CurrentActor, services: AllServices) -> Done:
    """Forget a server with its secrets, and end it."""
    await services.mcp.registry.remove(actor, server_id)
    return Done()


@router.post("/{id}/enable", responses=failing(404, 409))
async def enable_mcp(
    server_id: McpIdInPath, actor: CurrentActor, services: AllServices
) -> McpServerState:
    """Let a server be used from now on."""
    return shown(await services.mcp.registry.enable(actor, server_id, is_enabled=True))


@router.post("/{id}/disable", responses=failing(404))
async def disable_mcp(
    server_id: McpIdInPath, actor: CurrentActor, services: AllServices
) -> McpServerState:
    """End a server, and let it not be used."""
    return shown(await services.mcp.registry.enable(actor, server_id, is_enabled=False))


@router.post("/{id}/refresh", responses=failing(404, 409))
async def refresh_mcp(
    server_id: McpIdInPath, request: Request, actor: CurrentActor, services: AllServices
) -> McpServerState:
    """Connect to a server anew, in the background; answers with how it stood before."""
    return shown(await services.mcp.registry.refresh(actor, server_id, _callback(request)))


def _callback(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{CALLBACK}"
