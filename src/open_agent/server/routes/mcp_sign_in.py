"""Where people come back to who have signed in to an MCP server."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from open_agent.core.errors import NotFound
from open_agent.mcp.client.ports import SignInAnswer
from open_agent.server.deps import AllServices
from open_agent.server.descriptions import failing, failing_plainly

CALLBACK = "/api/mcp/oauth/callback"
SIGNED_IN = "You are signed in. This page can be closed.\n"

router = APIRouter(tags=["mcp"])


@router.get(
    CALLBACK,
    responses=failing(422) | failing_plainly(404) | {200: {"content": {"text/plain": {}}}},
)
async def come_back(
    services: AllServices,
    state: Annotated[str, Query(max_length=200, description="What only the link had.")] = "",
    code: Annotated[str, Query(max_length=4_000, description="What signing in gave.")] = "",
    iss: Annotated[str | None, Query(max_length=2_000, description="Who gave it.")] = None,
) -> Response:
    """Where people come back to who have signed in to a server. Public: the state says who."""
    if not services.mcp.registry.come_back(state, SignInAnswer(code, iss)):
        raise NotFound("mcp.sign_in_unknown", "Nobody waits for this. Refresh the server again.")
    return PlainTextResponse(SIGNED_IN)
