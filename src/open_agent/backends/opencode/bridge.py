"""How OpenCode gets the tools of MCP servers: from us, over MCP, for as long as a run lasts.

So one registry decides for both backends: what is switched off is off, secrets stay here, and a
server that keeps state keeps it for the mission. OpenCode is told of one server, by its directory.
"""

from open_agent.agent.context import RunContext
from open_agent.backends.opencode.bridging import Bridge
from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused
from open_agent.events.model.backend import BackendNoted

NAME = "mcp"
"""What OpenCode knows our server by; it puts this and `_` before the names of tools."""
NOT_THERE = "The tools of MCP servers are not there for this run: {why}"


async def offer(
    ctx: RunContext, client: OpenCodeClient, directory: str, bridge: Bridge | None
) -> None:
    """Let OpenCode use the bridge in a directory; without one, no older one either."""
    try:
        if bridge is None:
            known = await client.mcp(directory)
            if _status(known) not in (None, "disabled"):
                await client.disconnect_mcp(directory, NAME)
            return
        headers = {"Authorization": f"Bearer {bridge.token}"}
        config = {"type": "remote", "url": bridge.url, "headers": headers, "oauth": False}
        state = await client.add_mcp(directory, NAME, config)
    except OpenCodeRefused as refusal:
        await _note(ctx, refusal.message)
        return
    if _status(state) != "connected":
        await _note(ctx, f"OpenCode says {_status(state)} of {bridge.url}.")


async def _note(ctx: RunContext, why: str) -> None:
    await ctx.append(BackendNoted(kind="mcp.missing", message=NOT_THERE.format(why=why)))


def _status(state: dict[str, object]) -> object:
    entry = state.get(NAME)
    return entry.get("status") if isinstance(entry, dict) else None  # pyright: ignore
