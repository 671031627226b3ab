"""Chromium on a screen, with a profile of its own."""

import os
import re
from contextlib import suppress
from dataclasses import replace

import anyio

from open_agent.mcp.servers.desktop.programs import BROWSER, INPUT
from open_agent.mcp.servers.desktop.running import start
from open_agent.mcp.servers.desktop.sessions import Session
from open_agent.tools.definition import ToolFailed
from open_agent.workspaces.processes import Process

SHOWN_SECONDS = 20.0
LONGEST_URL = 8_000
DEEPEST = 60
"""Characters of `TMPDIR`; a socket's path has at most 107."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_OPTIONS = (
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--password-store=basic",
    "--disable-background-networking",
    "--disable-component-update",
)


def checked_url(url: str) -> str:
    """An address as the browser takes it.

    Raises:
        ToolFailed: It is none.
    """
    if not url.isprintable() or len(url) > LONGEST_URL:
        raise ToolFailed("This is not the address of a page.")
    url = url.strip() or "about:blank"
    return url if _SCHEME.match(url) else f"https://{url}"


async def launch(session: Session, url: str) -> Process:
    """Start a browser that shows a page, and return when its window is there.

    Raises:
        ToolFailed: There is no browser, or it ended at once.
    """
    options = [*_OPTIONS, f"--user-data-dir={session.folder / 'browser'}"]
    if os.geteuid() == 0:
        # Its own sandbox does not work for root, and it refuses to start. The other option keeps
        # it from saying so across the page.
        options += ["--no-sandbox", "--test-type"]
    env = {key: value for key, value in session.around.env.items() if not _is_deep(key, value)}
    process = await start(replace(session.around, env=env), BROWSER, *options, "--", url)
    process.release()
    session.browser = process
    with anyio.move_on_after(SHOWN_SECONDS), suppress(FileNotFoundError):
        while not await _has_window(session):
            if process.exit_code is not None:
                raise ToolFailed(f"The browser ended at once (exit {process.exit_code}).")
            await anyio.sleep(0.1)
    return process


def _is_deep(name: str, value: str) -> bool:
    """A folder in which the browser makes a socket whose path is too long, and dies of it."""
    return name == "TMPDIR" and len(value) > DEEPEST


async def _has_window(session: Session) -> bool:
    search = ["xdotool", "search", "--onlyvisible", "--class", "chrom"]
    return (await session.run(INPUT, search, seconds=5)).exit_code == 0
