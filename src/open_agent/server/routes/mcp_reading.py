"""What MCP servers have beside tools: resources to be read, and prompts to be filled in."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from open_agent.server.deps import AllServices, CurrentActor, McpIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire

router = APIRouter(prefix="/api/mcp", tags=["mcp"], responses=failing(401, 403, 422))


class Resources(Wire):
    """What a server has to be read, in the protocol's own fields."""

    resources: list[dict[str, Any]] = Field(description="What there is.")
    resource_templates: list[dict[str, Any]] = Field(description="Addresses to be filled in.")


class ResourceText(Wire):
    """What is in a resource, as models are shown it."""

    uri: str = Field(description="Which one.")
    text: str = Field(description="Its text.")
    images: int = Field(description="How many images it has besides.")


class Prompts(Wire):
    """The prompts that a server has, in the protocol's own fields."""

    prompts: list[dict[str, Any]] = Field(description="What there is.")


class FillPrompt(BaseModel):
    """What to fill a prompt with."""

    arguments: dict[str, str] = Field(default={}, description="Its arguments by name.")


@router.get("/{id}/resources", responses=failing(404, 409, 503))
async def list_resources(
    server_id: McpIdInPath, actor: CurrentActor, services: AllServices
) -> Resources:
    """What a server has to be read."""
    found, templates = await services.mcp.reading.resources(actor, server_id)
    return Resources(resources=found, resource_templates=templates)


@router.get("/{id}/resources/read", responses=failing(404, 409, 503))
async def read_resource(
    server_id: McpIdInPath,
    actor: CurrentActor,
    services: AllServices,
    uri: Annotated[str, Query(max_length=2_000, description="Which resource.")],
) -> ResourceText:
    """What is in a resource."""
    found = await services.mcp.reading.read_resource(actor, server_id, uri)
    return ResourceText(uri=uri, text=found.text, images=len(found.images))


@router.get("/{id}/prompts", responses=failing(404, 409, 503))
async def list_prompts(
    server_id: McpIdInPath, actor: CurrentActor, services: AllServices
) -> Prompts:
    """The prompts that a server has."""
    return Prompts(prompts=await services.mcp.reading.prompts(actor, server_id))


@router.post("/{id}/prompts/{name}", responses=failing(400, 404, 409, 413, 415, 503))
async def fill_prompt(
    server_id: McpIdInPath,
    name: Annotated[str, Path(max_length=200, description="The prompt's name.")],
    body: FillPrompt,
    actor: CurrentActor,
    services: AllServices,
) -> dict[str, Any]:
    """A prompt, filled in, in the protocol's own fields."""
    return await services.mcp.reading.prompt(actor, server_id, name, body.arguments)
