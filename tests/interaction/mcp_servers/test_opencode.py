"""Our servers inside the real OpenCode, which nobody here wrote, with a scripted model behind it."""

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.interaction.cli.rig import COMMAND
from tests.interaction.http.rig import TOKEN, server
from tests.interaction.mcp_servers.opencode import running_opencode
from tests.interaction.mcp_servers.port import on_port
from tests.interaction.mcp_servers.rig import environment, prepare
from tests.interaction.requirements import requirement
from tests.programs import chromium, system_program
from tests.running import gone

PAGE = (
    "data:text/html,<title>Form</title><h1>Please sign here</h1>"
    "<textarea autofocus rows=8 cols=60 style='font-size:24px'></textarea>"
)
DONE = "All of it is done."


@dataclass(frozen=True)
class Step:
    """A call that the model makes, again and again until its result has these words."""

    tool: str
    arguments: dict[str, Any]
    words: str = ""


def player(*steps: Step) -> Callable[[Asked], Turn]:
    """A model that takes the steps in order; `:DISPLAY` becomes the one that it was told."""

    def play(asked: Asked) -> Turn:
        results = [str(m["content"]) for m in asked.messages if m["role"] == "tool"]
        taken, display = 0, ""
        for result in results:
            if '"display":"' in result:
                display = result.partition('"display":"')[2].partition('"')[0]
            if taken < len(steps) and steps[taken].words in result:
                taken += 1
        if taken == len(steps) or asked.model != "default":
            return Turn(DONE)
        text = json.dumps(steps[taken].arguments).replace(":DISPLAY", display)
        return Turn(calls=(Call(steps[taken].tool, json.loads(text)),))

    return play


def local(kind: str, folder: Path) -> dict[str, Any]:
    """A server of ours as OpenCode's configuration has it."""
    given = environment(folder)
    command = [COMMAND, "mcp", kind, "--data-dir", str(folder / "data")]
    return {"type": "local", "command": command, "environment": given}


def calls(parts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The tools that were called, and how each call ended."""
    return [(part["tool"], part["state"]["status"]) for part in parts if part["type"] == "tool"]


def output(parts: list[dict[str, Any]], tool: str) -> str:
    """What the last call of a tool returned."""
    return [part["state"]["output"] for part in parts if part.get("tool") == tool][-1]


@pytest.fixture(scope="module")
def models() -> Generator[ScriptedServer]:
    """Where scripted models answer; a script is added for each test."""
    with ScriptedServer() as scripted:
        yield scripted


@requirement("mcp-servers:opencode:host-and-desktop")
@pytest.mark.timeout(240)
async def test_opencode_works_with_our_tools_and_on_our_desktop(
    tmp_path: Path, models: ScriptedServer
) -> None:
    chromium()
    system_program("tesseract")
    work = prepare(tmp_path)
    on = {"display": ":DISPLAY"}
    steps = [
        Step("host_write_file", {"path": "note.txt", "content": "from OpenCode\n"}),
        Step("host_run_command", {"command": "cat note.txt && pwd"}, "from OpenCode"),
        Step("host_read_file", {"path": "missing.txt"}),
        Step("desktop_desktop_start_session", {"launch_browser": True, "url": PAGE}),
        Step("desktop_desktop_get_text", on, "Please sign here"),
        Step("desktop_desktop_click", {**on, "x": 300, "y": 250}),
        Step("desktop_desktop_type", {**on, "text": "Signed by OpenCode"}),
        Step("desktop_desktop_get_text", on, "Signed by"),
        Step("desktop_desktop_screenshot", {**on, "filename": "signed", "return_image": True}),
        Step("desktop_desktop_stop_session", on),
    ]
    servers = {kind: local(kind, tmp_path) for kind in ("host", "desktop")}
    _, model_url = models.add(player(*steps))
    async with running_opencode(tmp_path, work, model_url, servers) as opencode:
        found = await opencode.servers()
        assert {name: each["status"] for name, each in found.items()} == {
            "host": "connected",
            "desktop": "connected",
        }
        parts = await opencode.carry_out("Do it.")
    assert [part["text"] for part in parts if part["type"] == "text"][-1] == DONE
    refused = {"host_read_file": "error"}
    assert dict(calls(parts)) == {step.tool: "completed" for step in steps} | refused
    assert (work / "note.txt").read_text() == "from OpenCode\n"
    assert str(work) in output(parts, "host_run_command")
    assert "Signed by" in output(parts, "desktop_desktop_get_text")
    assert (work / "screenshots" / "signed.png").stat().st_size > 5_000
    # OpenCode was killed, and did not end its servers; they have noticed.
    await gone(str(tmp_path), seconds=10)


@requirement("mcp-servers:opencode:remote")
@pytest.mark.timeout(120)
async def test_opencode_hands_tasks_to_the_server_itself(
    tmp_path: Path, models: ScriptedServer
) -> None:
    work = prepare(tmp_path)
    steps = [
        Step("agent_submit_task", {"task": "A task from OpenCode."}),
        Step("agent_list_tasks", {}),
    ]
    _, model_url = models.add(player(*steps))
    async with server(tmp_path, is_durable=False) as rig, on_port(rig) as url:
        remote = {
            "type": "remote",
            "url": url,
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            "oauth": False,
        }
        async with running_opencode(tmp_path, work, model_url, {"agent": remote}) as opencode:
            parts = await opencode.carry_out("Hand it over.")
    assert calls(parts) == [(step.tool, "completed") for step in steps]
    listed = json.loads(output(parts, "agent_list_tasks"))
    assert [each["title"] for each in listed["items"]] == ["A task from OpenCode."]
