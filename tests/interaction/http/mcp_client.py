"""The SDK's client at `/mcp` of a rig, with whatever its HTTP client is let in by."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

Era = Literal["legacy", "2026-07-28"]
ERAS: tuple[Era, ...] = ("legacy", "2026-07-28")
"""With sessions, and without."""
HEADERS = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
SESSION = "mcp-session-id"


class Tools:
    """The server's tools, as one caller has them."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def names(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def raw(self, tool: str, **arguments: Any) -> types.CallToolResult:
        with anyio.fail_after(20):
            return await self._client.call_tool(tool, arguments)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a call returns, having done what was asked."""
        result = await self.raw(tool, **arguments)
        assert not result.is_error, result
        return json.loads(_text(result))

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What is said to a call that is not made."""
        result = await self.raw(tool, **arguments)
        assert result.is_error, result
        return _text(result)


@asynccontextmanager
async def tools_of(http: httpx2.AsyncClient, era: Era = "legacy") -> AsyncGenerator[Tools]:
    """Connect, as whoever the HTTP client is."""
    transport = streamable_http_client("http://127.0.0.1:3000/mcp", http_client=http)
    async with Client(transport, mode=era) as client:
        yield Tools(client)


async def open_session(http: httpx2.AsyncClient) -> str:
    """The id of a new session, opened by hand."""
    reply = await http.post("/mcp", json=INITIALIZE, headers=HEADERS)
    assert reply.status_code == 200, reply.text
    return reply.headers[SESSION]


async def ping(http: httpx2.AsyncClient, session: str) -> httpx2.Response:
    """Use a session."""
    message = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    return await http.post("/mcp", json=message, headers={**HEADERS, SESSION: session})


def _text(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text
