"""MCP servers as rows and back; the order of columns is that of `tables.py`."""

from typing import Any

import pydantic_core

from open_agent.core.ids import UserId
from open_agent.core.mcp import (
    HttpTransport,
    ListedTool,
    McpListing,
    McpServer,
    StdioTransport,
    Transport,
)
from open_agent.store.rows import Row, from_micros, to_micros

EVERYBODY = ""
"""As the scope of what is for all users."""
LISTED = ("version", "tools", "has_resources", "connected_at")
"""Columns that say what a server was last seen to offer."""


def server_values(server: McpServer, owner: UserId) -> dict[str, Any]:
    """A server as its row has it."""
    return {
        "id": server.id,
        "owner_id": owner,
        "scope": EVERYBODY if server.is_shared else owner,
        "name": server.name,
        "transport": _transport_json(server.transport),
        "description": server.description,
        "is_enabled": int(server.is_enabled),
        "preset": server.preset,
        "is_per_mission": int(server.is_per_mission),
        "is_trusted": int(server.is_trusted),
        "call_seconds": server.call_seconds,
        "created_at": to_micros(server.created_at),
        "calls": server.calls,
        "errors": server.errors,
        **listing_values(server.listing),
    }


def listing_values(listing: McpListing) -> dict[str, Any]:
    """What a server offers, as its row has it."""
    tools = [
        {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": tool.schema,
            "readOnly": tool.is_read_only,
        }
        for tool in listing.tools
    ]
    return {
        "version": listing.version,
        "tools": pydantic_core.to_json(tools).decode(),
        "has_resources": int(listing.has_resources),
        "connected_at": None if listing.at is None else to_micros(listing.at),
    }


def _transport_json(transport: Transport) -> str:
    match transport:
        case StdioTransport(command=command, args=args, cwd=cwd):
            value: Any = {"stdio": {"command": command, "args": list(args), "cwd": cwd}}
        case HttpTransport(endpoint=endpoint, client_id=client_id, oauth_scope=scope):
            value = {"http": {"endpoint": endpoint, "client_id": client_id, "scope": scope}}
    return pydantic_core.to_json(value).decode()


def _transport(text: str) -> Transport:
    value: dict[str, dict[str, Any]] = pydantic_core.from_json(text)
    if "stdio" in value:
        stdio = value["stdio"]
        return StdioTransport(stdio["command"], tuple(stdio["args"]), stdio["cwd"])
    http = value["http"]
    return HttpTransport(http["endpoint"], http["client_id"], http["scope"])


def server_of(row: Row) -> McpServer:
    """A server from its row."""
    tools: list[dict[str, Any]] = pydantic_core.from_json(row[13])
    return McpServer(
        id=row[0],
        owner_id=UserId(row[1]),
        is_shared=row[2] == EVERYBODY,
        name=row[3],
        transport=_transport(row[4]),
        description=row[5],
        is_enabled=bool(row[6]),
        preset=row[7],
        is_per_mission=bool(row[8]),
        is_trusted=bool(row[9]),
        call_seconds=row[10],
        created_at=from_micros(row[11]),
        listing=McpListing(
            version=row[12],
            tools=tuple(
                ListedTool(t["name"], t["description"], t["inputSchema"], t["readOnly"])
                for t in tools
            ),
            has_resources=bool(row[14]),
            at=None if row[15] is None else from_micros(row[15]),
        ),
        calls=row[16],
        errors=row[17],
    )
