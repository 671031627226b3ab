"""Telling the window manager what to do."""

from open_agent.mcp.servers.desktop.context import DesktopContext
from open_agent.mcp.servers.desktop.programs import WINDOWS
from open_agent.tools.definition import Effect, ToolFailed, ToolOutput, tool

LONGEST_COMMAND = 10_000
SECONDS = 10.0


@tool(effect=Effect.EXECUTE, timeout=30)
async def desktop_i3_command(ctx: DesktopContext, display: str, command: str) -> ToolOutput:
    """Send a command to the window manager i3, and return what it answers, as JSON.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        command: As i3 knows it: `exec xterm` starts a program on the screen, `focus left`,
            `fullscreen toggle`, `workspace 2`, `kill`.
    """
    session = ctx.session(display)
    if session.windows is None or session.windows.name != "i3":
        raise ToolFailed("This session has no i3: install it with apt-get install i3-wm.")
    if not command.strip() or "\0" in command or len(command) > LONGEST_COMMAND:
        raise ToolFailed("`command` is a command of i3, such as `focus left`.")
    answer = await session.run(WINDOWS, ["i3-msg", "--", command], seconds=SECONDS)
    text = answer.stdout.decode(errors="replace").strip()
    if answer.exit_code:
        said = "\n".join(part for part in (text, answer.complaint.strip()) if part)
        return ToolOutput(said or "i3 refused this command.", is_failure=True)
    return ToolOutput(text)
