"""The address of the MCP server, whose protocol is its own."""

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from open_agent.server.mcp import bridge
from open_agent.server.mcp.endpoint import PATH

router = APIRouter(tags=["mcp"], include_in_schema=False)


class _Spoken(Response):
    """A reply that the endpoint gives itself."""

    def __init__(self, endpoint: ASGIApp) -> None:
        super().__init__()
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the endpoint answer."""
        await self._endpoint(scope, receive, send)


@router.api_route(PATH, methods=["GET", "POST", "DELETE"])
async def speak_mcp(request: Request) -> Response:
    """Speak MCP; the guide on MCP servers says how."""
    return _Spoken(request.app.state.mcp)


@router.api_route(bridge.PATH, methods=["GET", "POST", "DELETE"])
async def cross_bridge(request: Request) -> Response:
    """Speak MCP as the program that carries out a run."""
    return _Spoken(request.app.state.mcp_bridges)
