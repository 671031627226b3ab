"""The window manager of a screen: i3 where it is installed, openbox otherwise, or none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
from anyio import to_thread

from open_agent.mcp.servers.desktop.programs import WINDOWS
from open_agent.mcp.servers.desktop.running import Surroundings, run, start
from open_agent.tools.definition import ToolFailed
from open_agent.workspaces.processes import Process

START_SECONDS = 20.0

I3_CONFIG = """\
# i3 config file (v4)
font pango:monospace 10
default_border pixel 1
focus_follows_mouse no
"""
SOCKET_VARIABLE = "I3SOCK"

Manager = Literal["i3", "openbox"]


@dataclass(frozen=True, slots=True)
class Windows:
    """A running window manager."""

    name: Manager
    process: Process


def socket_of(folder: Path) -> Path:
    """Where i3 listens, for those who have something to tell it."""
    return folder / "i3.sock"


async def start_windows(around: Surroundings, folder: Path) -> Windows | None:
    """Start the best window manager there is, and return when it manages.

    Raises:
        ToolFailed: It does not start.
    """
    config = folder / "i3.config"
    text = f"{I3_CONFIG}ipc-socket {socket_of(folder)}\n"
    await to_thread.run_sync(config.write_text, text)
    for name, arguments in (("i3", ("-c", str(config))), ("openbox", ("--sm-disable",))):
        try:
            process = await start(around, WINDOWS, *arguments, program=name)
        except ToolFailed:
            continue
        windows = Windows("i3" if name == "i3" else "openbox", process)
        try:
            await _wait_until_managing(around, windows)
        except BaseException:
            await process.terminate()
            raise
        finally:
            process.release()
        return windows
    return None


async def _wait_until_managing(around: Surroundings, windows: Windows) -> None:
    if windows.name != "i3":
        return
    with anyio.move_on_after(START_SECONDS):
        while windows.process.exit_code is None:
            asked = await run(around, ["i3-msg", "-t", "get_version"], seconds=START_SECONDS)
            if asked.exit_code == 0:
                return
            await anyio.sleep(0.05)
        said = (await windows.process.stderr.read()).decode(errors="replace").strip()
        raise ToolFailed(f"The window manager i3 ended at once. {said[-500:]}".rstrip())
    raise ToolFailed(f"The window manager i3 does not answer within {START_SECONDS:g} seconds.")
