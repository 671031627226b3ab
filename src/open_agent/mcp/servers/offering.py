"""Any set of our tools as an MCP server.

The SDK's low-level server speaks the protocol, over whatever it is connected to; here its words
and ours are translated. Knows neither which tools these are nor what their calls are given: whoever
offers them says so with `MakeContext`.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import anyio
import mcp_types as types
import structlog
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

import open_agent
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import CallId, new_uuid
from open_agent.mcp.servers.progress import Progress
from open_agent.tools.definition import C, Effect, Tool, ToolFailed, ToolOutput
from open_agent.tools.registry import Toolbox

AT_ONCE = 32
"""Calls of one client that are carried out side by side; further ones wait their turn."""

log = structlog.get_logger(__name__)

_ANNOTATIONS = {
    Effect.READ: types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    Effect.NETWORK: types.ToolAnnotations(read_only_hint=True, open_world_hint=True),
    Effect.WRITE: types.ToolAnnotations(
        read_only_hint=False, destructive_hint=True, open_world_hint=False
    ),
    Effect.EXECUTE: types.ToolAnnotations(
        read_only_hint=False, destructive_hint=True, open_world_hint=True
    ),
    Effect.ASK: types.ToolAnnotations(read_only_hint=True, open_world_hint=False),
    Effect.DELEGATE: types.ToolAnnotations(
        read_only_hint=False, destructive_hint=False, open_world_hint=True
    ),
}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to be made.

    Attributes:
        emit: Takes live output, which the client sees as progress if it has asked for that.
        request: What the transport knows of the request: over HTTP the request, otherwise nothing.
    """

    id: CallId
    emit: Callable[[str], None]
    request: Any = None


MakeContext = Callable[[Call], C]
"""What a call is given to act with."""


@dataclass(frozen=True, slots=True)
class Offer(Generic[C]):
    """What a server says of itself, and what it offers.

    Attributes:
        name: What clients know it by.
        instructions: What the client's model should know beside the tools' own descriptions.
    """

    name: str
    instructions: str
    tools: Toolbox[C]
    make_context: MakeContext[C]


def tool_server(offer: Offer[C]) -> Server[Any]:
    """A server that lists these tools and makes calls of them.

    One that serves several clients is shared by them; `serve_stdio` and HTTP sessions connect it.
    """
    desk = _Desk(offer)
    return Server(
        offer.name,
        version=open_agent.__version__,
        instructions=offer.instructions,
        on_list_tools=desk.list_tools,
        on_call_tool=desk.call_tool,
    )


class _Desk(Generic[C]):
    """Takes requests for one server."""

    def __init__(self, offer: Offer[C]) -> None:
        self._offer = offer
        self._places = anyio.Semaphore(AT_ONCE)
        self._listed: types.ListToolsResult | None = None

    async def list_tools(
        self, ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        """All of them; they never change."""
        del ctx, params
        if self._listed is None:
            tools = self._offer.tools
            found = [tools.get(name) for name in tools.names]
            self._listed = types.ListToolsResult(tools=[_listed(tool) for tool in found if tool])
        return self._listed

    async def call_tool(
        self, ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        """Make a call. The client's cancel ends it here, with everything it has started."""
        tools = self._offer.tools
        tool = tools.get(params.name)
        if tool is None:
            near = tools.near(params.name)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise MCPError(
                types.INVALID_PARAMS, f"There is no tool called {params.name[:80]!r}.{hint}"
            )
        async with self._places:
            progress = Progress(ctx.session.report_progress)
            call = Call(CallId(new_uuid()), progress.emit, ctx.request)
            async with progress:
                return _result(await self._invoke(tool, call, params.arguments or {}))

    async def _invoke(self, tool: Tool[C], call: Call, arguments: dict[str, Any]) -> ToolOutput:
        try:
            parsed = tool.parse(json.dumps(arguments))
            return await tool.invoke(self._offer.make_context(call), parsed)
        except ToolFailed as refusal:
            return ToolOutput(str(refusal), is_failure=True)
        except OpenAgentError as error:
            return ToolOutput(f"{error.message} ({error.code})", is_failure=True)
        except Exception as error:  # boundary: a tool's bug is answered, and the server goes on
            log.exception("tool.crashed", tool=tool.name)
            text = f"The tool {tool.name} failed inside ({type(error).__name__}). Try another way."
            return ToolOutput(text, is_failure=True)


def _listed(tool: Tool[Any]) -> types.Tool:
    function = tool.schema["function"]
    return types.Tool(
        name=tool.name,
        description=function["description"],
        input_schema=function["parameters"],
        annotations=_ANNOTATIONS[tool.effect],
    )


def _result(output: ToolOutput) -> types.CallToolResult:
    content: list[types.ContentBlock] = []
    if output.content or not output.images:
        content.append(types.TextContent(text=output.content))
    content += [
        types.ImageContent(data=base64.b64encode(image.data).decode(), mime_type=image.media_type)
        for image in output.images
    ]
    return types.CallToolResult(content=content, is_error=output.is_failure)
