"""`open-agent mcp desktop`: real screens, seen as a client sees them."""

import json
import os
import signal
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from open_agent.core.ids import new_uuid
from tests.interaction.mcp_servers.rig import connected, facts_of, spoken, text_of
from tests.interaction.requirements import requirement
from tests.programs import chromium, system_program
from tests.running import gone, running, started

PNG = b"\x89PNG\r\n\x1a\n"
PAGE = (
    "data:text/html,<title>Form</title><h1>Please sign here</h1>"
    "<textarea autofocus rows=8 cols=60 style='font-size:24px'></textarea>"
    "<div style='height:3000px'></div><h1>Bottom line</h1>"
)


class Screen:
    """A session of a connected server, and what a user does on it."""

    def __init__(self, client: Client, facts: dict[str, Any]) -> None:
        self.client = client
        self.facts = facts
        self.display: str = facts["display"]

    async def call(self, tool: str, **arguments: Any) -> types.CallToolResult:
        return await self.client.call_tool(
            f"desktop_{tool}", {"display": self.display, **arguments}
        )

    async def run(self, command: str) -> None:
        """Start a program on the screen."""
        assert text_of(await self.call("i3_command", command=f"exec {command}")) == (
            '[{"success":true}]'
        )

    async def shows(self, words: str) -> str:
        """The text on the screen, once it has these words."""
        return await until(self.text, lambda text: words in text)

    async def text(self) -> str:
        return text_of(await self.call("get_text"))


async def until(look: Callable[[], Awaitable[str]], is_it: Callable[[str], bool]) -> str:
    """What is seen, once it is what was waited for."""
    seen = ""
    with anyio.move_on_after(25):
        while not is_it(seen := await look()):
            await anyio.sleep(0.05)
        return seen
    raise AssertionError(f"this is what was there in the end: {seen}")


async def start(client: Client, **arguments: Any) -> Screen:
    return Screen(client, facts_of(await client.call_tool("desktop_start_session", arguments)))


def socket_of(display: str) -> Path:
    return Path(f"/tmp/.X11-unix/X{display[1:]}")


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(PNG)
    return struct.unpack(">II", png[16:24])


def programs(folder: Path, *names: str) -> str:
    """A `PATH` with nothing but these."""
    place = folder / "bin"
    place.mkdir()
    for name in names:
        (place / name).symlink_to(system_program(name))
    return str(place)


@requirement("mcp-servers:desktop:tools")
async def test_nine_tools_use_a_screen(tmp_path: Path) -> None:
    async with connected("desktop", tmp_path, DESKTOP_RESOLUTION="800x600") as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert len(names) == 9
        screen = await start(client)
        facts = screen.facts
        assert facts["success"] is True
        assert (facts["resolution"], facts["window_manager"]) == ("800x600", "i3")
        assert facts["screenshots_dir"] == str(tmp_path / "work" / "screenshots")
        assert all(Path(f"/proc/{facts[name]}").exists() for name in ("xvfb_pid", "i3_pid"))
        await screen.run("xmessage -buttons Fine -default Fine 'Greetings from the screen 4711'")
        assert "4711" in await screen.shows("Greetings")
        await look_at(screen, tmp_path / "work" / "screenshots")
        facts_of(await screen.call("mouse_move", x=400, y=300))
        facts_of(await screen.call("scroll", amount=-3, x=10, y=10))
        facts_of(await screen.call("type", key="Return"))
        await until(screen.text, lambda text: "4711" not in text)
        stopped = facts_of(await screen.call("stop_session"))
        assert set(stopped["killed_pids"]) == {facts["xvfb_pid"], facts["i3_pid"]}
        assert not socket_of(screen.display).exists()
        assert (await screen.call("screenshot")).is_error


async def look_at(screen: Screen, folder: Path) -> None:
    """Whole and in part, as a file and as a picture."""
    shot = await screen.call("screenshot", filename="whole", return_image=True)
    facts = facts_of(shot)
    path = folder / "whole.png"
    assert (facts["path"], facts["size_bytes"]) == (str(path), path.stat().st_size)
    assert size_of(path.read_bytes()) == (800, 600)
    picture = shot.content[1]
    assert isinstance(picture, types.ImageContent)
    assert picture.mime_type == "image/png"
    region = {"x": 10, "y": 20, "width": 300, "height": 40}
    part = await screen.call("screenshot", region=region)
    assert len(part.content) == 1
    assert size_of(Path(facts_of(part)["path"]).read_bytes()) == (300, 40)


@requirement("mcp-servers:desktop:browser")
@pytest.mark.timeout(90)
async def test_a_browser_is_used_by_mouse_and_keyboard(tmp_path: Path) -> None:
    chromium()
    async with connected("desktop", tmp_path) as client:
        screen = await start(client, launch_browser=True, url=PAGE)
        assert screen.facts["url"] == PAGE
        await screen.shows("Please sign here")
        facts_of(await screen.call("click", x=300, y=250))
        facts_of(await screen.call("type", text="Signed by me\nand nobody else"))
        await screen.shows("nobody else")
        facts_of(await screen.call("click", x=300, y=250, double=True))
        facts_of(await screen.call("scroll", amount=60, x=640, y=600))
        await screen.shows("Bottom line")
        browser = screen.facts["browser_pid"]
        assert browser in facts_of(await screen.call("stop_session"))["killed_pids"]
        await gone(f"user-data-dir={tmp_path}", seconds=10)


@requirement("mcp-servers:desktop:apart")
async def test_two_servers_do_not_disturb_one_another(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with connected("desktop", folders[0]) as one, connected("desktop", folders[1]) as two:
        screens: list[Screen] = []

        async def open_on(client: Client) -> None:
            screens.append(await start(client))

        async with anyio.create_task_group() as group:
            for client in (one, two, one, two):
                group.start_soon(open_on, client)
        displays = [screen.display for screen in screens]
        assert len(set(displays)) == 4
        assert all(socket_of(display).exists() for display in displays)
        first, other = screens[0], next(s for s in screens if s.client is not screens[0].client)
        # None of the one's tools reach the other's screen.
        for tool in ("screenshot", "stop_session", "get_text"):
            refused = await first.client.call_tool(f"desktop_{tool}", {"display": other.display})
            assert refused.is_error
        facts_of(await first.call("stop_session"))
        for screen in screens[1:]:
            assert not (await screen.call("screenshot")).is_error
            assert socket_of(screen.display).exists()


@requirement("mcp-servers:desktop:apart")
async def test_sessions_are_apart_however_long_the_path_of_the_temporary_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    async with connected("desktop", folder) as client:
        for screen in [await start(client), await start(client), await start(client)]:
            mark = new_uuid()
            await screen.run(f"xmessage {mark}")
            await started(f"xmessage {mark}")
            for line in running(f"xmessage {mark}"):
                environment = Path(f"/proc/{line.split()[0]}/environ").read_bytes()
                assert f"DISPLAY={screen.display}".encode() in environment.split(b"\0")


@requirement("mcp-servers:desktop:ends")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_is_left_of_a_server_that_is_killed(
    tmp_path: Path, number: signal.Signals
) -> None:
    mark = new_uuid()
    async with spoken("desktop", tmp_path) as server:
        await server.call(1, "tools/call", name="desktop_start_session", arguments={})
        facts = json.loads((await server.reply(1))["result"]["content"][0]["text"])
        display: str = facts["display"]
        given = {"display": display, "command": f"exec xmessage {mark}"}
        await server.call(2, "tools/call", name="desktop_i3_command", arguments=given)
        await started(f"xmessage {mark}")
        assert socket_of(display).exists()
        os.kill(server.process.pid, number)
        await gone(mark, seconds=5)
        await gone(f"{tmp_path}/tmp", seconds=5)
        assert not socket_of(display).exists()
        assert not Path(f"/tmp/.X{display[1:]}-lock").exists()


@requirement("mcp-servers:desktop:private")
async def test_nobody_opens_a_screen_without_its_secret(tmp_path: Path) -> None:
    async with connected("desktop", tmp_path) as client:
        screen = await start(client)
        ask = [system_program("xdotool"), "getmouselocation"]
        without = {"DISPLAY": screen.display, "HOME": str(tmp_path)}
        assert (await anyio.run_process(ask, env=without, check=False)).returncode != 0
        given = {**without, **screen.facts["environment"]}
        assert (await anyio.run_process(ask, env=given, check=False)).returncode == 0
        secret = Path(given["XAUTHORITY"])
        assert secret.stat().st_mode & 0o077 == 0


@requirement("mcp-servers:desktop:files")
async def test_screenshots_stay_in_their_folder(tmp_path: Path) -> None:
    async with connected("desktop", tmp_path) as client:
        screen = await start(client)
        folder = tmp_path / "work" / "screenshots"
        for name in ("../out", "/tmp/out", "a/b", "..", ".hidden", "", "x" * 200, "a\0b", "~/x"):
            refused = await screen.call("screenshot", filename=name)
            assert refused.is_error, name
        assert not folder.exists()
        facts_of(await screen.call("screenshot", filename="a.png"))
        facts_of(await screen.call("screenshot"))
        facts_of(await screen.call("screenshot"))
        assert len(list(folder.iterdir())) == 3
        (folder / "link.png").symlink_to(tmp_path / "elsewhere.png")
        assert (await screen.call("screenshot", filename="link")).is_error
        assert not (tmp_path / "elsewhere.png").exists()


@requirement("mcp-servers:desktop:bounds")
async def test_what_cannot_be_done_is_said_and_bounded(tmp_path: Path) -> None:
    async with connected("desktop", tmp_path) as client:
        screen = await start(client)
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("click", {"x": 5000, "y": 1}),
            ("click", {"x": -1, "y": 1}),
            ("click", {"x": 1, "y": 1, "button": "fourth"}),
            ("scroll", {"amount": 1_000_000}),
            ("scroll", {"amount": 1, "x": 5}),
            ("type", {}),
            ("type", {"text": "a", "key": "b"}),
            ("type", {"key": "NoSuchKey"}),
            ("type", {"key": "--clearmodifiers"}),
            ("type", {"text": "x" * 100_000}),
            ("screenshot", {"wait_seconds": 3600}),
            ("screenshot", {"region": {"x": 0, "y": 0, "width": 9000, "height": 5}}),
            ("i3_command", {"command": "no such command"}),
            ("i3_command", {"command": ""}),
            ("get_text", {"display": ":4711"}),
            ("stop_session", {"display": "; rm -rf /"}),
        ]
        for tool, arguments in wrong:
            assert (await screen.call(tool, **arguments)).is_error, (tool, arguments)
        # A text that looks like an option, or like a command, is typed.
        facts_of(await screen.call("type", text="--help; $(touch nothing)"))
        os.kill(screen.facts["xvfb_pid"], signal.SIGKILL)
        await until(screen_state(screen), lambda text: "has ended" in text)
        facts_of(await screen.call("stop_session"))


def screen_state(screen: Screen) -> Callable[[], Awaitable[str]]:
    async def look() -> str:
        return text_of(await screen.call("mouse_move", x=1, y=1))

    return look


@requirement("mcp-servers:desktop:bounds")
async def test_there_is_an_end_to_screens(tmp_path: Path) -> None:
    async with connected("desktop", tmp_path) as client:
        for _ in range(8):
            await start(client)
        refused = await client.call_tool("desktop_start_session", {})
        assert refused.is_error
        assert "desktop_stop_session" in text_of(refused)


@requirement("mcp-servers:desktop:missing")
@pytest.mark.parametrize(
    ("there", "tool", "package"),
    [
        ((), "start_session", "xvfb"),
        (("Xvfb",), "type", "xdotool"),
        (("Xvfb",), "screenshot", "scrot"),
        (("Xvfb", "scrot"), "get_text", "tesseract-ocr"),
        (("Xvfb", "openbox"), "i3_command", "i3-wm"),
    ],
)
async def test_a_program_that_is_missing_is_named_with_its_package(
    tmp_path: Path, there: tuple[str, ...], tool: str, package: str
) -> None:
    async with connected("desktop", tmp_path, PATH=programs(tmp_path, *there)) as client:
        result = await client.call_tool("desktop_start_session", {})
        if there:
            facts = facts_of(result)
            manager = "openbox" if "openbox" in there else "none"
            assert (facts["window_manager"], facts["i3_pid"]) == (manager, None)
            assert "i3-wm" in facts["note"]
            arguments = {"type": {"text": "a"}, "i3_command": {"command": "nop"}}.get(tool, {})
            result = await Screen(client, facts).call(tool, **arguments)
        assert result.is_error
        assert package in text_of(result)


@requirement("mcp-servers:desktop:missing")
async def test_without_a_browser_no_screen_is_left_open(tmp_path: Path) -> None:
    path = programs(tmp_path, "Xvfb", "xdotool")
    async with connected("desktop", tmp_path, PATH=path) as client:
        refused = await client.call_tool("desktop_start_session", {"launch_browser": True})
        assert refused.is_error
        assert "chromium" in text_of(refused)
        await gone(f"-auth {tmp_path}", seconds=5)
