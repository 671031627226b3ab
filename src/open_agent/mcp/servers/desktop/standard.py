"""The nine desktop tools."""

from open_agent.core.clock import SystemClock
from open_agent.mcp.servers.desktop.context import DesktopContext
from open_agent.mcp.servers.desktop.get_text import desktop_get_text
from open_agent.mcp.servers.desktop.i3_command import desktop_i3_command
from open_agent.mcp.servers.desktop.pointing import (
    desktop_click,
    desktop_mouse_move,
    desktop_scroll,
)
from open_agent.mcp.servers.desktop.screenshot import desktop_screenshot
from open_agent.mcp.servers.desktop.sessions import Desktops
from open_agent.mcp.servers.desktop.start_session import desktop_start_session
from open_agent.mcp.servers.desktop.stop_session import desktop_stop_session
from open_agent.mcp.servers.desktop.typing_text import desktop_type
from open_agent.mcp.servers.offering import Call, Offer
from open_agent.mcp.servers.ruling import Judge, ruled
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.base import Workspace

NAME = "open-agent-desktop"
INSTRUCTIONS = (
    "These tools use virtual desktops on the machine that the server runs on. Start a session, look"
    " with desktop_screenshot or desktop_get_text before and after you type or click, and stop the"
    " session in the end. All sessions end with this server."
)

TOOLS = (
    desktop_start_session,
    desktop_stop_session,
    desktop_screenshot,
    desktop_type,
    desktop_click,
    desktop_mouse_move,
    desktop_scroll,
    desktop_i3_command,
    desktop_get_text,
)


def desktop_tools(desktops: Desktops, workspace: Workspace, judge: Judge) -> Offer[DesktopContext]:
    """The desktop tools over these sessions; what `judge` forbids is not done."""
    clock = SystemClock()

    def make_context(call: Call) -> DesktopContext:
        del call
        return DesktopContext(desktops, workspace, clock)

    return Offer(NAME, INSTRUCTIONS, ruled(Toolbox(TOOLS), judge), make_context)
