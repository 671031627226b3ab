"""Servers that come with us, and what this machine must have before they can be used.

How they are started is decided when they are: where a browser is may change.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.core.mcp import StdioTransport

HOST, PLAYWRIGHT, DESKTOP = "host", "playwright", "desktop"
PLAYWRIGHT_PACKAGE = "@playwright/mcp@0.0.83"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP_PROGRAMS = {
    "Xvfb": "xvfb",
    "xdotool": "xdotool",
    "tesseract": "tesseract-ocr",
}
"""What a desktop cannot do without, and the package of Debian that has it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A server that comes with us.

    Attributes:
        name: Its own, and that of its entry.
    """

    name: str
    description: str
    transport: StdioTransport
    is_per_mission: bool


PRESETS = (
    Preset(
        HOST,
        "The tools that missions have anyway, for whatever carries a run out with tools of its own.",
        StdioTransport("open-agent", ("mcp", "host")),
        is_per_mission=True,
    ),
    Preset(
        DESKTOP,
        "A desktop of its own: start programs with windows, look at them, click and type.",
        StdioTransport("open-agent", ("mcp", "desktop")),
        is_per_mission=True,
    ),
    Preset(
        PLAYWRIGHT,
        "A browser of its own, without a window: open pages, read, click and fill them in.",
        StdioTransport("npx", ("-y", PLAYWRIGHT_PACKAGE, "--headless", "--isolated")),
        is_per_mission=True,
    ),
)


def missing(preset: str, command: str, search_path: str) -> list[str]:
    """What a server needs and this machine does not have, each with how to get it.

    Args:
        preset: Which server.
        command: What starts it.
        search_path: Where programs are looked for.
    """

    def is_there(name: str) -> bool:
        return shutil.which(name, path=search_path) is not None

    found: list[str] = []
    if preset == PLAYWRIGHT:
        if command == "npx" and not is_there("npx"):
            found.append("Node.js 18 or newer with npx (Debian: apt install nodejs npm)")
        if not any(is_there(name) for name in BROWSERS):
            found.append("Chromium (Debian: apt install chromium)")
    if preset == DESKTOP:
        found += [
            f"{name} (Debian: apt install {package})"
            for name, package in DESKTOP_PROGRAMS.items()
            if not is_there(name)
        ]
    return found


def arguments(
    preset: str, args: Sequence[str], search_path: str, *, folder: str, is_root: bool
) -> list[str]:
    """With what a server is started here and now; what its entry says itself stays as it is.

    Args:
        preset: Which server.
        args: What its entry says.
        search_path: Where programs are looked for.
        folder: Where it may write what nobody else needs.
        is_root: It runs as root, where Chromium has no sandbox of its own.
    """
    made = list(args)
    if preset != PLAYWRIGHT:
        return made
    if "--executable-path" not in made and "--browser" not in made:
        browser = next((p for n in BROWSERS if (p := shutil.which(n, path=search_path))), None)
        made += ["--executable-path", browser] if browser else []
    for flag in ("--isolated", *(("--no-sandbox",) if is_root else ())):
        if flag not in made:
            made.append(flag)
    if "--file-paths" not in made:
        # So that what it writes down, such as snapshots, can be read with our own tools.
        made += ["--file-paths", "absolute"]
    if "--output-dir" not in made:
        made += ["--output-dir", folder]
    return made
