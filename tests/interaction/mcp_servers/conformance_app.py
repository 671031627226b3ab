"""The server for the official conformance suite: our own mount, with the tools that it wants."""

import base64
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from open_agent.mcp.servers.http import HttpSessions
from open_agent.mcp.servers.offering import Call, Offer, tool_server
from open_agent.server.mcp.endpoint import MakeSessions, McpEndpoint
from open_agent.server.services import Services
from open_agent.tools.definition import (
    Effect,
    FunctionTool,
    ToolFailed,
    ToolImage,
    ToolOutput,
    tool,
)
from open_agent.tools.registry import Toolbox
from tests.interaction.http.rig import server
from tests.interaction.mcp_servers.port import on_port

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


def wanted(function: Callable[[Call], Awaitable[str | ToolOutput]]) -> FunctionTool[Call]:
    """A tool under the name that the suite calls it by."""
    function.__name__ = f"test_{function.__name__}"
    return tool(effect=Effect.READ, timeout=10)(function)


@wanted
async def simple_text(call: Call) -> str:
    """Return text."""
    del call
    return "This is a simple text response for testing."


@wanted
async def image_content(call: Call) -> ToolOutput:
    """Return a picture."""
    del call
    return ToolOutput("", images=(ToolImage(PIXEL),))


@wanted
async def error_handling(call: Call) -> str:
    """Fail."""
    del call
    raise ToolFailed("This tool intentionally returns an error for testing")


@wanted
async def tool_with_progress(call: Call) -> str:
    """Report progress three times."""
    for step in range(3):
        call.emit(f"step {step}\n")
        await anyio.sleep(0.4)  # deliberate: reports that come faster than that are joined
    return "done"


@dataclass(frozen=True)
class SchemaTool:
    """A tool whose schema says what no function of ours can."""

    name: str = "json_schema_2020_12_tool"
    effect: Effect = Effect.READ

    @property
    def schema(self) -> dict[str, Any]:
        address = {"type": "object", "properties": {"street": {"type": "string"}}}
        parameters = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": address},
            "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
            "additionalProperties": False,
        }
        described = {"name": self.name, "description": "Takes an address."}
        return {"type": "function", "function": {**described, "parameters": parameters}}

    def parse(self, arguments_json: str) -> dict[str, Any]:
        del arguments_json
        return {}

    async def invoke(self, ctx: Call, arguments: Mapping[str, Any]) -> ToolOutput:
        del ctx, arguments
        return ToolOutput("ok")


TOOLS: Toolbox[Call] = Toolbox(
    (simple_text, image_content, error_handling, tool_with_progress, SchemaTool())
)


def load() -> MakeSessions:
    """In place of what the server itself offers."""

    def make(services: Services) -> HttpSessions:
        del services
        return HttpSessions(tool_server(Offer("fixture", "", TOOLS, lambda call: call)))

    return make


@asynccontextmanager
async def conformance_app(folder: Path) -> AsyncGenerator[str]:
    """The address of `/mcp` on a real port, open to programs of this machine."""
    async with server(folder, is_dev_mode=True, is_durable=False) as rig:
        rig.app.state.mcp = McpEndpoint(rig.services, load)
        async with on_port(rig) as url:
            yield url
