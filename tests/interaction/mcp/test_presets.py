"""The original's trio (host, desktop, playwright), enabled on a fresh server and used by its runs."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.requirements import requirement
from tests.programs import chromium, npm_program, opencode, system_program

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

TRIO = ["host", "desktop", "playwright"]
PAGE = "data:text/html,<title>Here</title><h1>Hello</h1>"
HELD = "sleep 86324"
Step = tuple[str, dict[str, Any]]
STEPS: list[Step] = [
    ("host_write_file", {"path": "note.txt", "content": "written"}),
    ("desktop_desktop_start_session", {}),
    ("desktop_desktop_screenshot", {"return_image": True, "display": ":DISPLAY"}),
]
BROWSE: Step = ("playwright_browser_navigate", {"url": PAGE})
MEET: Step = (
    "host_run_command",
    {"command": "touch ../meet-$$; until [ $(ls .. | grep -c meet-) = 2 ]; do sleep 0.02; done"},
)
"""Waits until both missions are there."""
HOLD: Step = ("host_run_command", {"command": HELD})


def player(*steps: Step, prefix: str = "") -> Callable[[Asked], Turn]:
    """A model that takes the steps in order, on the display that it was told."""

    def play(asked: Asked) -> Turn:
        results = [str(m["content"]) for m in asked.messages if m["role"] == "tool"]
        if len(results) >= len(steps) or not asked.body.get("tools"):
            return Turn("\n".join(results))
        tool, arguments = steps[len(results)]
        found = re.findall(r'"display":"(:\d+)"', "".join(results))
        text = json.dumps(arguments).replace(":DISPLAY", found[-1] if found else "")
        return Turn(calls=(Call(f"{prefix}{tool}", json.loads(text)),))

    return play


def settings(tmp_path: Path, **more: str) -> dict[str, str]:
    """Those of a server whose `npx` finds its package without the network."""
    chromium()
    for program in ("Xvfb", "xdotool", "tesseract"):
        system_program(program)
    folder = tmp_path / "bin"
    folder.mkdir()
    npx = folder / "npx"
    npx.write_text(f'#!/bin/sh\nshift 2\nexec {" ".join(npm_program("playwright-mcp"))} "$@"\n')
    npx.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "VISION_MODELS": "*", **more}


def enable(server: ServerProcess) -> None:
    """Enable the three, as a person would."""
    with httpx2.Client(base_url=server.url, timeout=20) as client:
        found = {each["name"]: each for each in client.get("/api/mcp").json()}
        assert [*found] == TRIO
        assert not any(each["enabled"] for each in found.values())
        for each in found.values():
            enabled = client.post(f"/api/mcp/{each['id']}/enable")
            assert (enabled.status_code, enabled.json()["error"]) == (200, None)


def returned(server: ServerProcess, task: str) -> list[dict[str, Any]]:
    """What came of a task's calls."""
    events = [record["event"] for record in server.records(task)]
    return [event for event in events if event["type"] == "tool.returned"]


def living(tmp_path: Path) -> dict[int, str]:
    """The command lines of everything that was started below a server of the test's."""
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and str(tmp_path).encode() in (folder / "environ").read_bytes()
            ):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(folder.name)] = line
        except OSError:
            continue
    return found


def wait_until(is_so: Callable[[], object], tmp_path: Path, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, living(tmp_path)
        time.sleep(0.02)


def has_servers(tmp_path: Path) -> bool:
    """Whether an MCP server is at work, or something on a screen."""
    marks = ("open-agent mcp", "Xvfb", "i3", "playwright", "chromium", HELD)
    return any(mark in line for line in living(tmp_path).values() for mark in marks)


def folders(tmp_path: Path) -> list[Path]:
    """What is remembered of folders that servers have."""
    return list((tmp_path / "data" / "mcp-0").iterdir())


@requirement("mcp:presets:trio")
def test_the_trio_is_enabled_and_used_by_two_missions_at_once(tmp_path: Path) -> None:
    seen: list[bool] = []
    play = player(*STEPS[:2], MEET, STEPS[2], BROWSE)

    def looking(asked: Asked) -> Turn:
        """A model that notes whether it is shown what is on the screen."""
        if asked.turn == 4:
            seen.append("data:image/png;base64," in json.dumps(asked.body))
        return play(asked)

    with (
        ScriptedServer(looking) as model,
        ServerProcess(
            tmp_path / "data", tmp_path / "work", model.base_url, settings(tmp_path)
        ) as server,
    ):
        enable(server)
        tasks = [server.submit("Look.", key=key) for key in "12"]
        displays: set[str] = set()
        for task in tasks:
            ended = server.wait_for(task, seconds=90)
            results = returned(server, task)
            assert [event["outcome"] for event in results] == ["ok"] * 5, results
            work = tmp_path / "work" / "workspaces" / f"task-{task}"
            assert (work / "note.txt").read_text() == "written"
            assert [image["media_type"] for image in results[3]["images"]] == ["image/png"]
            assert json.loads(results[1]["content"])["screenshots_dir"] == f"{work}/screenshots"
            displays.add(json.loads(results[1]["content"])["display"])
            assert "Hello" in ended["result"]
        assert len(displays) == 2
        assert seen == [True, True]
        wait_until(lambda: not has_servers(tmp_path), tmp_path)
        assert not folders(tmp_path)
        assert server.terminate(seconds=20) == 0
        assert not living(tmp_path)


@requirement("mcp:presets:killed")
def test_nothing_of_the_trio_is_left_when_the_server_is_killed(tmp_path: Path) -> None:
    script = player(STEPS[1], BROWSE, HOLD)
    with (
        ScriptedServer(script) as model,
        ServerProcess(
            tmp_path / "data", tmp_path / "work", model.base_url, settings(tmp_path)
        ) as server,
    ):
        enable(server)
        task = server.submit("Hold on.", key="1")
        wait_until(lambda: any(HELD in line for line in living(tmp_path).values()), tmp_path, 60)
        assert any("Xvfb" in line for line in living(tmp_path).values())
        server.kill()
        wait_until(lambda: not living(tmp_path), tmp_path)
        server.start()
        assert server.wait_for(task)["status"] == "completed"
        assert [event["outcome"] for event in returned(server, task)] == ["ok", "ok", "unknown"]
        wait_until(lambda: not has_servers(tmp_path), tmp_path)
        assert not folders(tmp_path)


@requirement("mcp:presets:opencode")
def test_the_trio_works_inside_opencode(tmp_path: Path) -> None:
    given = settings(tmp_path, OPENCODE_MANAGED="true", OPENCODE_PROGRAM=opencode())
    script = player(*STEPS, BROWSE, prefix="mcp_")
    with (
        ScriptedServer(script) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, given) as server,
    ):
        enable(server)
        task = server.submit("Look.", key="1")
        ended = server.wait_for(task, seconds=120)
        results = returned(server, task)
        assert [(event["name"], event["outcome"]) for event in results] == [
            (tool, "ok") for tool, _ in (*STEPS, BROWSE)
        ], results
        assert "Hello" in ended["result"]
        work = tmp_path / "work" / "workspaces" / f"task-{task}"
        assert (work / "note.txt").read_text() == "written"
        assert len(list((work / "screenshots").iterdir())) == 1
        wait_until(lambda: not has_servers(tmp_path), tmp_path)


@requirement("mcp:presets:rules")
def test_rules_hold_for_our_tools_whatever_an_entry_says(tmp_path: Path) -> None:
    rules = json.dumps([{"action": "deny", "tool": "write_file"}])
    given = {"APPROVALS": rules, "DESKTOP_RESOLUTION": "640x480"}
    with (
        ScriptedServer(player(STEPS[0], STEPS[1])) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, given) as server,
        httpx2.Client(base_url=server.url, timeout=20) as client,
    ):
        enable(server)
        [host, *_] = client.get("/api/mcp").json()
        stdio = {"env": {"APPROVALS": "[]"}}
        changed = client.patch(f"/api/mcp/{host['id']}", json={"transport": {"stdio": stdio}})
        assert changed.status_code == 200
        task = server.submit("Write.", key="1")
        ended = server.wait_for(task)
        written, screen = returned(server, task)
        assert written["outcome"] == "failed"
        assert "forbids the call (deny tool `write_file`)" in written["content"]
        assert json.loads(screen["content"])["resolution"] == "640x480"
        assert ended["status"] == "completed"
