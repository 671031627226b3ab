"""Starting a screen to work on."""

from open_agent.mcp.servers.desktop.browser import checked_url, launch
from open_agent.mcp.servers.desktop.context import DesktopContext, as_json
from open_agent.mcp.servers.desktop.screenshot import FOLDER
from open_agent.tools.definition import Effect, ToolOutput, tool


@tool(effect=Effect.EXECUTE, timeout=90)
async def desktop_start_session(
    ctx: DesktopContext, launch_browser: bool = False, url: str = "about:blank"
) -> ToolOutput:
    """Start a virtual desktop: a screen with a window manager, on a display of its own.

    Returns the `display`, which all other desktop tools need. A program that you start elsewhere
    appears on this screen when it gets the variables in `environment`; within the session, use
    desktop_i3_command with `exec PROGRAM`. Stop the session when you are done.

    Args:
        launch_browser: Also open Chromium on it.
        url: The page that Chromium shows first.
    """
    page = checked_url(url)
    session = await ctx.desktops.start()
    windows = session.windows
    facts = {
        "display": session.name,
        "resolution": session.resolution,
        "xvfb_pid": session.display.process.pid,
        "i3_pid": windows.process.pid if windows and windows.name == "i3" else None,
        "window_manager": windows.name if windows else "none",
        "screenshots_dir": str(ctx.workspace.root / FOLDER),
        "environment": session.variables,
    }
    if windows is None or windows.name != "i3":
        facts["note"] = "i3 is not installed (apt-get install i3-wm): no desktop_i3_command here."
    if launch_browser:
        try:
            browser = await launch(session, page)
        except BaseException:
            await ctx.desktops.stop(session.name)
            raise
        facts |= {"browser": "chromium", "browser_pid": browser.pid, "url": page}
    return ToolOutput(as_json(**facts))
