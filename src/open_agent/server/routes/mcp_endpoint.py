"""The address of the MCP server, whose protocol is its own."""

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from open_agent.server.mcp import PATH, McpEndpoint

router = APIRouter(tags=["mcp"], include_in_schema=False)


class _Spoken(Response):
    """A reply that the endpoint gives itself."""

    def __init__(self, endpoint: McpEndpoint) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the endpoint answer."""
        await self._endpoint(scope, receive, send)


@router.api_route(PATH, methods=["GET", "POST", "DELETE"])
async def speak_mcp(request: Request) -> Response:
    """Speak MCP; the guide on MCP servers says how."""
    return _Spoken(request.app.state.mcp)
