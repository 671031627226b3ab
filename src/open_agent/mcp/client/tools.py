"""Tools of MCP servers as tools of ours. What a server does wrong is the call's failure."""

from collections.abc import Mapping
from typing import Any, cast

from open_agent.core.ids import UserId
from open_agent.core.mcp import ListedTool, McpServer
from open_agent.core.text import cut_to_bytes
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.offers import LONGEST_DESCRIPTION, offered_schema
from open_agent.mcp.client.pool import Pool
from open_agent.mcp.client.ports import Place, Result
from open_agent.tools.clipping import SHOWN, clip
from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput
from open_agent.tools.plain_text import from_program
from open_agent.tools.schema import read_object

MOST_SPILLED = 8 * 1024 * 1024


class McpTool:
    """A tool of a server, for one user.

    Args:
        name: How models call it.
        server: Whose it is.
        listed: What the server says of it.
        owner: For whom it is.
        pool: Has the sessions.
    """

    def __init__(
        self, name: str, server: McpServer, listed: ListedTool, owner: UserId, pool: Pool
    ) -> None:
        self.name = name
        self._server = server
        self._listed = listed
        self._owner = owner
        self._pool = pool
        # A server that says that a call may be made twice is believed where somebody trusts it.
        is_reading = server.is_trusted and listed.is_read_only
        self.effect = Effect.READ if is_reading else Effect.EXECUTE
        self.description = describe(server, listed.description)

    @property
    def schema(self) -> dict[str, Any]:
        """Its definition in the OpenAI function format."""
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": offered_schema(self._listed.schema),
            },
        }

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """The arguments; the server itself says what is wrong with them."""
        try:
            given = read_object(arguments_json)
        except ValueError as error:
            raise ToolFailed(f"{self.name} was not called: {error}") from None
        required = cast("list[str]", self._listed.schema.get("required", []))
        # Models write null for what they leave out.
        return {k: v for k, v in given.items() if v is not None or k in required}

    async def invoke(self, ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolOutput:
        """Have the server do it."""
        try:
            result = await self._pool.call(
                self._server,
                place_of(self._owner, ctx),
                self._listed.name,
                dict(arguments),
                ctx.emit,
            )
        except ServerFailed as error:
            raise ToolFailed(f"The server {self._server.name}: {error}") from None
        return await to_output(ctx, result)


class ReadResource:
    """Reads what a server has to be read."""

    def __init__(self, name: str, server: McpServer, owner: UserId, pool: Pool) -> None:
        self.name = name
        self._server = server
        self._owner = owner
        self._pool = pool
        self.effect = Effect.READ if server.is_trusted else Effect.EXECUTE
        self.description = describe(
            server, "Read a resource of this server, or list what there is to be read."
        )

    @property
    def schema(self) -> dict[str, Any]:
        """Its definition in the OpenAI function format."""
        uri = {"type": "string", "description": "Which one; without it, all of them are listed."}
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": {"type": "object", "properties": {"uri": uri}},
            },
        }

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """Which resource."""
        try:
            uri = read_object(arguments_json).get("uri")
        except ValueError as error:
            raise ToolFailed(f"{self.name} was not called: {error}") from None
        if uri is not None and not isinstance(uri, str):
            raise ToolFailed(f"{self.name} was not called: `uri` must be a string.")
        return {"uri": uri or ""}

    async def invoke(self, ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolOutput:
        """Read it, or list what there is."""
        place = place_of(self._owner, ctx)
        try:
            if arguments["uri"]:
                uri = arguments["uri"]
                result = await self._pool.read_resource(self._server, place, uri)
                return await to_output(ctx, result)
            found, templates = await self._pool.resources(self._server, place)
        except ServerFailed as error:
            raise ToolFailed(f"The server {self._server.name}: {error}") from None
        lines = [
            f"{each.get('uri') or each.get('uriTemplate')}: {each.get('name', '')}"
            for each in (*found, *templates)
        ]
        return ToolOutput(clip("\n".join(lines) or "It has nothing to be read now."))


def place_of(owner: UserId, ctx: ToolContext) -> Place:
    """For whom a call is made."""
    return Place(owner, ctx.mission_id, ctx.workspace.root)


def describe(server: McpServer, text: str) -> str:
    """What models are told of a tool: first whose it is."""
    said = from_program(text).strip()
    if len(said) > LONGEST_DESCRIPTION:
        said = f"{said[:LONGEST_DESCRIPTION]}…"
    return f"[{server.name}] {said}".rstrip()


async def to_output(ctx: ToolContext, result: Result) -> ToolOutput:
    """What a server answered, cut to what a model should be shown; the rest is kept."""
    text = from_program(result.text)
    spilled = None
    advice = ""
    if len(text) > SHOWN:
        whole = cut_to_bytes(text, MOST_SPILLED).encode("utf-8", "replace")
        spilled = await ctx.blobs.put(ctx.mission_id, whole)
        path = ctx.blobs.path(ctx.mission_id, spilled)
        advice = f"All of it is in {path}: read_file or grep_search."
    shown = clip(text, SHOWN, advice=advice) if text.strip() else ""
    return ToolOutput(shown, spilled=spilled, images=result.images, is_failure=result.is_error)
