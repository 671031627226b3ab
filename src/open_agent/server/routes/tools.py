"""The tools that missions have, ours and those of MCP servers, and switching them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from open_agent.server.deps import AllServices, CurrentActor
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire
from open_agent.services.mcp.toolboxes import OfferedTool

router = APIRouter(prefix="/api/tools", tags=["mcp"], responses=failing(401, 403, 422))


class McpSource(Wire):
    """A server as the source of a tool."""

    id: str = Field(description="The server's id.")
    name: str = Field(description="The server's name.")


class FromMcp(Wire):
    """Where a tool comes from that is not ours."""

    mcp: McpSource = Field(description="The server.")


class ToolInfo(Wire):
    """A tool."""

    name: str = Field(description="What models call it by.")
    description: str = Field(description="What models are told of it.")
    source: Literal["builtin"] | FromMcp = Field(description="Where it comes from.")
    enabled: bool = Field(description="Models are offered it.")


class ToggleTool(BaseModel):
    """What is to become of a tool."""

    enabled: bool = Field(description="Whether models are offered it.")


class ToggledTool(Wire):
    """What has become of a tool."""

    success: Literal[True] = Field(default=True, description="Always true.")
    name: str = Field(description="Its name.")
    enabled: bool = Field(description="Whether models are offered it.")


@router.get("")
async def list_tools(actor: CurrentActor, services: AllServices) -> list[ToolInfo]:
    """Every tool that missions of the caller's could have, by name."""
    return [_shown(each) for each in services.mcp.registry.tools(actor)]


@router.post("/{name}/toggle", responses=failing(400, 404, 409, 413, 415))
async def toggle_tool(
    name: Annotated[str, Path(description="The tool's name.")],
    body: ToggleTool,
    actor: CurrentActor,
    services: AllServices,
) -> ToggledTool:
    """Switch a tool off or on, at once and for good; administrators do it for everybody."""
    tool = await services.mcp.registry.switch(actor, name, is_enabled=body.enabled)
    return ToggledTool(name=tool.name, enabled=not tool.is_off)


def _shown(tool: OfferedTool) -> ToolInfo:
    source: Literal["builtin"] | FromMcp = "builtin"
    if tool.server is not None:
        source = FromMcp(mcp=McpSource(id=tool.server.id, name=tool.server.name))
    return ToolInfo(
        name=tool.name,
        description=tool.description,
        source=source,
        enabled=tool.is_usable and not tool.is_off,
    )
