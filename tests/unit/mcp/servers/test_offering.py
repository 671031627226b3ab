"""Our tools as an MCP server, where a test sees what no client does."""

import anyio
import mcp_types as types
from mcp import Client

from open_agent.core.errors import Conflict
from open_agent.mcp.servers.offering import AT_ONCE, Call, Offer, tool_server
from open_agent.tools.definition import Effect, ToolFailed, ToolImage, ToolOutput, tool
from open_agent.tools.registry import Toolbox

at_work = 0
most_at_work = 0


@tool(effect=Effect.NETWORK, timeout=10)
async def look(call: Call, what: str) -> ToolOutput:
    """Look at something.

    Args:
        what: What to look at.
    """
    del call
    match what:
        case "picture":
            return ToolOutput("Here.", images=(ToolImage(b"abc", "image/gif"),))
        case "refusal":
            raise ToolFailed("Not that.")
        case "conflict":
            raise Conflict("some.code", "It does not fit.")
        case "bug":
            raise KeyError("secret inside")
        case _:
            return ToolOutput(what, is_failure=True)


@tool(effect=Effect.WRITE, timeout=10)
async def work(call: Call) -> str:
    """Work for a moment."""
    global at_work, most_at_work  # noqa: PLW0603
    del call
    at_work += 1
    most_at_work = max(most_at_work, at_work)
    await anyio.sleep(0.01)  # deliberate: so that calls are at work at the same time
    at_work -= 1
    return "done"


SERVER = tool_server(Offer("test", "Be kind.", Toolbox((look, work)), lambda call: call))


async def test_what_is_offered_is_what_the_tools_say() -> None:
    async with Client(SERVER) as client:
        assert client.instructions == "Be kind."
        (looking, working) = (await client.list_tools()).tools
        assert (looking.name, looking.description) == ("look", "Look at something.")
        assert looking.input_schema["required"] == ["what"]
        assert looking.annotations == types.ToolAnnotations(
            read_only_hint=True, open_world_hint=True
        )
        assert working.annotations is not None
        assert working.annotations.destructive_hint is True


async def test_whatever_comes_of_a_call_is_told() -> None:
    async with Client(SERVER) as client:
        seen = await client.call_tool("look", {"what": "picture"})
        assert [block.type for block in seen.content] == ["text", "image"]
        assert isinstance(seen.content[1], types.ImageContent)
        assert (seen.content[1].data, seen.content[1].mime_type) == ("YWJj", "image/gif")
        for what, words in (
            ("refusal", "Not that."),
            ("conflict", "It does not fit. (some.code)"),
            ("bug", "The tool look failed inside (KeyError). Try another way."),
            ("anything", "anything"),
        ):
            result = await client.call_tool("look", {"what": what})
            assert result.is_error, what
            assert result.content == [types.TextContent(text=words)]


async def test_a_client_cannot_have_any_number_of_calls_at_work() -> None:
    async with Client(SERVER) as client, anyio.create_task_group() as group:
        for _ in range(3 * AT_ONCE):
            group.start_soon(client.call_tool, "work")
    assert most_at_work == AT_ONCE
