"""Reading the text on a screen."""

from open_agent.mcp.servers.desktop.capture import capture
from open_agent.mcp.servers.desktop.context import DesktopContext
from open_agent.mcp.servers.desktop.programs import TEXT
from open_agent.tools.clipping import clip
from open_agent.tools.definition import Effect, ToolOutput, tool

SECONDS = 60.0
HEAD = "--- OCR Text ---"


@tool(effect=Effect.READ, timeout=SECONDS + 30)
async def desktop_get_text(ctx: DesktopContext, display: str) -> ToolOutput:
    """Read all text that the screen shows now. It is recognised from the picture, so expect slips.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
    """
    session = ctx.session(display)
    picture = await capture(session)
    reader = await session.run(
        TEXT, ["tesseract", "stdin", "stdout"], seconds=SECONDS, given=picture
    )
    text = reader.checked().stdout.decode(errors="replace").strip()
    return ToolOutput(f"{HEAD}\n{clip(text)}" if text else f"{HEAD}\n(no text)")
