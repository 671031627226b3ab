"""Looking at a screen."""

import re
from pathlib import Path
from typing import Annotated

import anyio
from pydantic import BaseModel, ConfigDict, Field

from open_agent.mcp.servers.desktop.capture import Area, capture
from open_agent.mcp.servers.desktop.context import DesktopContext, Pixels, as_json
from open_agent.mcp.servers.desktop.sessions import Session
from open_agent.tools.definition import Effect, ToolFailed, ToolImage, ToolOutput, tool

FOLDER = "screenshots"
LARGEST_IMAGE = 3_500_000
"""Bytes of an image in a result: models take 5 MB, a third of which its encoding adds."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")


class Region(BaseModel):
    """A part of the screen, in pixels."""

    model_config = ConfigDict(extra="forbid")

    x: Pixels
    y: Pixels
    width: Annotated[int, Field(ge=1, le=10_000)]
    height: Annotated[int, Field(ge=1, le=10_000)]


@tool(effect=Effect.WRITE, timeout=100)
async def desktop_screenshot(
    ctx: DesktopContext,
    display: str,
    wait_seconds: Annotated[float, Field(ge=0, le=60)] = 0,
    return_image: bool = False,
    filename: str | None = None,
    region: Region | None = None,
) -> ToolOutput:
    """Take a screenshot of a desktop session and keep it as a PNG file.

    Set `return_image` to see it yourself; without that you only get its path. To read text,
    desktop_get_text is cheaper.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        wait_seconds: Wait first, for what is about to appear.
        return_image: Return the picture as well as its path.
        filename: Its name in the `screenshots` folder, without a path.
        region: Only this part of the screen.
    """
    session = ctx.session(display)
    path = ctx.workspace.root / FOLDER / _file_name(ctx, session, filename)
    area = _area(session, region)
    await anyio.sleep(wait_seconds)
    picture = await capture(session, area)
    await _refuse_links(path)
    await ctx.workspace.write(path, picture)
    facts = {"path": str(path), "size_bytes": len(picture)}
    if not return_image:
        return ToolOutput(as_json(**facts))
    if len(picture) > LARGEST_IMAGE:
        note = "The picture is too large to be returned; ask for a region of it."
        return ToolOutput(as_json(**facts, note=note))
    return ToolOutput(as_json(**facts), images=(ToolImage(picture),))


def _file_name(ctx: DesktopContext, session: Session, wanted: str | None) -> str:
    if wanted is None:
        now = ctx.clock.now()
        return f"screenshot_{session.name[1:]}_{now:%Y%m%d_%H%M%S_%f}.png"
    if not _NAME.fullmatch(wanted):
        raise ToolFailed(
            "`filename` is a name without a path: letters, digits, spaces, `.`, `_` and `-`."
        )
    return wanted if wanted.lower().endswith(".png") else f"{wanted}.png"


def _area(session: Session, region: Region | None) -> Area | None:
    if region is None:
        return None
    session.check_point(region.x, region.y)
    session.check_point(region.x + region.width - 1, region.y + region.height - 1)
    return Area(region.x, region.y, region.width, region.height)


async def _refuse_links(path: Path) -> None:
    """Write nowhere but in the folder, whatever somebody has put there."""

    def is_elsewhere() -> bool:
        return path.parent.is_symlink() or path.is_symlink()

    if await anyio.to_thread.run_sync(is_elsewhere):
        raise ToolFailed(
            f"{path} leads elsewhere by a link. Choose another name, or remove the link."
        )
