"""Ending a screen with all that runs on it."""

from open_agent.mcp.servers.desktop.context import DesktopContext, as_json
from open_agent.tools.definition import Effect, ToolOutput, tool


@tool(effect=Effect.EXECUTE, timeout=60)
async def desktop_stop_session(ctx: DesktopContext, display: str) -> ToolOutput:
    """Stop a desktop session, with its window manager, browser and everything opened on it.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
    """
    killed = await ctx.desktops.stop(display)
    return ToolOutput(as_json(display=display, killed_pids=killed))
