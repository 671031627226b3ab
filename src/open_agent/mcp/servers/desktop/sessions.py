"""Sessions: each a screen of its own, with its windows and perhaps a browser.

They belong to the server that started them and end with it, however it ends: each program is a
process of the port, and the X server removes its own socket.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import anyio
from anyio import to_thread

from open_agent.mcp.servers.desktop.display import Display, start_display
from open_agent.mcp.servers.desktop.programs import Need, missing
from open_agent.mcp.servers.desktop.running import Finished, Surroundings, run
from open_agent.mcp.servers.desktop.windows import (
    SOCKET_VARIABLE,
    Windows,
    socket_of,
    start_windows,
)
from open_agent.tools.definition import ToolFailed
from open_agent.workspaces.environment import process_environment
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import Process

MOST = 8
"""Sessions of one server at once; each takes about 100 MB, with a browser five times that."""


@dataclass(slots=True)
class Session:
    """A screen that is being worked on.

    Attributes:
        around: How programs on it run.
        input_lock: One hand types or clicks at a time.
    """

    display: Display
    windows: Windows | None
    resolution: str
    folder: Path
    around: Surroundings
    browser: Process | None = None
    input_lock: anyio.Lock = field(default_factory=anyio.Lock)

    @property
    def name(self) -> str:
        """As `DISPLAY` has it."""
        return self.display.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        width, _, height = self.resolution.partition("x")
        return int(width), int(height)

    @property
    def processes(self) -> list[Process]:
        """What it consists of, in the order in which it is to be ended."""
        windows = self.windows.process if self.windows else None
        return [each for each in (self.browser, windows, self.display.process) if each]

    @property
    def variables(self) -> dict[str, str]:
        """What a program needs to know to appear on this screen."""
        return {"DISPLAY": self.name, "XAUTHORITY": str(self.display.authority)}

    async def run(
        self, need: Need, argv: Sequence[str], *, seconds: float, given: bytes | None = None
    ) -> Finished:
        """Run a program on this screen to its end; see `running.run`.

        Raises:
            ToolFailed: It is not installed (the text says what to install), or took too long.
        """
        try:
            return await run(self.around, argv, seconds=seconds, given=given)
        except FileNotFoundError as error:
            if error.filename != argv[0]:
                raise
            raise ToolFailed(missing(need)) from None

    def check_point(self, x: int, y: int) -> None:
        """Refuse a point that is not on the screen.

        Raises:
            ToolFailed: It is not.
        """
        width, height = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise ToolFailed(
                f"({x}, {y}) is not on the screen: x goes from 0 to {width - 1}, y from 0 to"
                f" {height - 1}."
            )


class Desktops:
    """The sessions of one server.

    Args:
        isolation: What starts programs.
        cwd: Where programs on a screen start.
        folder: For what sessions keep while they last, sockets among it, so its path is short.
        resolution: Of every screen, such as `1280x720`.
    """

    def __init__(self, isolation: Isolation, cwd: Path, folder: Path, resolution: str) -> None:
        self._isolation = isolation
        self._cwd = cwd
        self._folder = folder
        self._resolution = resolution
        self._sessions: dict[str, Session] = {}
        self._starting = 0
        self._opened = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                for name in list(self._sessions):
                    group.start_soon(self.stop, name)

    async def start(self) -> Session:
        """Start a session with a screen of its own.

        Raises:
            ToolFailed: There are too many, or something does not start or is not installed.
        """
        if len(self._sessions) + self._starting >= MOST:
            raise ToolFailed(
                f"{MOST} sessions are open, and there cannot be more: {self._named()}. Stop one"
                " with desktop_stop_session."
            )
        self._starting += 1
        try:
            self._opened += 1
            folder = self._folder / f"desktop-{self._opened}"
            await to_thread.run_sync(lambda: folder.mkdir(mode=0o700))
            session = await self._open(folder)
            self._sessions[session.name] = session
            return session
        finally:
            self._starting -= 1

    def get(self, display: str) -> Session:
        """A running session.

        Raises:
            ToolFailed: There is none on this display; the text names those that there are.
        """
        name = _name(display)
        session = self._sessions.get(name)
        if session is None:
            raise ToolFailed(
                f"No session of this server runs on {display!r}. Running: {self._named()}. Start"
                " one with desktop_start_session."
            )
        if session.display.process.exit_code is not None:
            raise ToolFailed(
                f"The X server of {name} has ended. Clear it away with desktop_stop_session, and"
                " start another session."
            )
        return session

    async def stop(self, display: str) -> list[int]:
        """End a session with all that runs on its screen; the ids of its processes.

        Raises:
            ToolFailed: There is none on this display.
        """
        session = self._sessions.pop(_name(display), None)
        if session is None:
            self.get(display)
            return []
        with anyio.CancelScope(shield=True):
            for process in session.processes:
                await process.terminate()
                process.release()
            await to_thread.run_sync(lambda: shutil.rmtree(session.folder, ignore_errors=True))
        return [process.pid for process in session.processes]

    async def _open(self, folder: Path) -> Session:
        environment = process_environment(self._isolation.environment())
        bare = Surroundings(self._isolation, self._cwd, environment)
        display = await start_display(bare, folder, self._resolution)
        on_screen = {
            "DISPLAY": display.name,
            "XAUTHORITY": str(display.authority),
            SOCKET_VARIABLE: str(socket_of(folder)),
            "XDG_RUNTIME_DIR": str(folder),  # i3 keeps a log there, and would leave it in /tmp.
        }
        around = Surroundings(self._isolation, self._cwd, {**environment, **on_screen})
        try:
            windows = await start_windows(around, folder)
        except BaseException:
            await display.process.terminate()
            raise
        return Session(display, windows, self._resolution, folder, around)

    def _named(self) -> str:
        return ", ".join(self._sessions) or "none"


def _name(display: str) -> str:
    """A display as it is kept: `:7`, whether it was said with the colon, the screen, or neither."""
    match = re.fullmatch(r":?([0-9]{1,5})(?:\.0)?", display.strip())
    return f":{match[1]}" if match else display
