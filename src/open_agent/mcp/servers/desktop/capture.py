"""A picture of a screen, as a PNG file has it.

A program of its own takes it: 35 ms for 1280 × 720 with scrot, 130 with ImageMagick, and nothing
of the frame ever lies in our memory but the file.
"""

from dataclasses import dataclass

from open_agent.mcp.servers.desktop.programs import CAPTURE, missing
from open_agent.mcp.servers.desktop.running import run
from open_agent.mcp.servers.desktop.sessions import Session
from open_agent.tools.definition import ToolFailed

SECONDS = 20.0
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a screen, in pixels."""

    x: int
    y: int
    width: int
    height: int


async def capture(session: Session, area: Area | None = None) -> bytes:
    """What the screen, or a part of it, shows now.

    Raises:
        ToolFailed: No program can take it, or none is installed.
    """
    for argv in (_with_scrot(area), _with_imagemagick(area)):
        try:
            taken = await run(session.around, argv, seconds=SECONDS)
        except FileNotFoundError as error:
            if error.filename != argv[0]:
                raise
            continue
        if taken.checked().stdout.startswith(PNG):
            return taken.stdout
    raise ToolFailed(missing(CAPTURE))


def _with_scrot(area: Area | None) -> list[str]:
    part = ["-a", f"{area.x},{area.y},{area.width},{area.height}"] if area else []
    return ["scrot", *part, "-"]


def _with_imagemagick(area: Area | None) -> list[str]:
    part = ["-crop", f"{area.width}x{area.height}+{area.x}+{area.y}", "+repage"] if area else []
    return ["import", "-window", "root", *part, "png:-"]
