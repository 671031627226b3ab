"""Runs that OpenCode carries out have the MCP tools of their mission, from us and as we say."""

import json
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.http.rig import served
from tests.interaction.http.web_client import WebClient
from tests.interaction.mcp import rig as programs
from tests.interaction.requirements import requirement
from tests.programs import opencode

SMALL = str(Path(str(programs.__file__)).parent / "small_server.py")
CANARY = "canary-of-the-bridge"


def play(asked: Asked) -> Turn:
    """Use the server's tool, and tell what came of it; say so where it is not offered."""
    last = asked.messages[-1]
    if last["role"] == "tool":
        return Turn(text=f"It said: {last['content']}")
    offered = {tool["function"]["name"] for tool in asked.body.get("tools", ())}
    if "mcp_small_add" not in offered:
        return Turn(text="There is no such tool.")
    return Turn(calls=(Call("mcp_small_add", {"a": 40, "b": 2}),))


@pytest.mark.slow
@requirement("mcp:bridge:opencode")
@pytest.mark.timeout(300)
def test_opencode_has_the_mcp_tools_of_a_mission_until_they_are_switched_off(
    tmp_path: Path,
) -> None:
    settings = {"OPENCODE_MANAGED": "true", "OPENCODE_PROGRAM": opencode()}
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
        WebClient(server.url) as client,
    ):
        stdio = {"command": sys.executable, "args": [SMALL], "env": {"TOKEN": CANARY}}
        client.post("/api/mcp", {"name": "small", "transport": {"stdio": stdio}})
        server.wait_for(server.submit("warm up", key="first"), seconds=120)
        call, told = use(client)
        assert (call["name"], call["args"]) == ("small_add", {"a": 40, "b": 2})
        assert told == "It said: 42"
        state: Any = client.get("/api/mcp")
        (small,) = [each for each in state if each["name"] == "small"]
        assert (small["tool_calls"], small["tool_errors"]) == (2, 0)
        client.post("/api/tools/small_add/toggle", {"enabled": False})
        client.send("use it")
        said = client.wait("assistant_message", success=True)["content"]
        assert said == "There is no such tool."
        folder = tmp_path / "data" / "opencode"
        kept = [path for path in folder.rglob("*") if path.is_file()]
        assert kept
        assert not [path for path in kept if CANARY.encode() in path.read_bytes()]


def push(asked: Asked) -> Turn:
    """Try what is forbidden, then what a person is asked about, then what no rule is about."""
    results = [str(m["content"]) for m in asked.messages if m["role"] == "tool"]
    commands = ("cd . && rm -r x", "git push", "ls")
    if len(results) == len(commands) or not asked.body.get("tools"):
        return Turn(text="\n".join(results))
    return Turn(calls=(Call("mcp_small_repeat", {"command": commands[len(results)]}),))


@pytest.mark.slow
@requirement("mcp:bridge:rules")
@pytest.mark.timeout(300)
def test_rules_about_commands_hold_for_mcp_tools_that_opencode_calls(tmp_path: Path) -> None:
    rules = [{"action": "deny", "command": "rm *"}, {"action": "ask", "command": "git push*"}]
    settings = {
        "OPENCODE_MANAGED": "true",
        "OPENCODE_PROGRAM": opencode(),
        "APPROVALS": json.dumps(rules),
    }
    with (
        ScriptedServer(push) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
        WebClient(server.url) as client,
    ):
        stdio = {"command": sys.executable, "args": [SMALL]}
        client.post("/api/mcp", {"name": "small", "transport": {"stdio": stdio}})
        client.send("push it")
        asked = client.wait_for(is_asked, "a question")
        assert asked["args"]["description"] == 'small_repeat {"command":"git push"}'
        given = {"tool_call_id": asked["tool_call_id"], "name": asked["name"], "result": "allow"}
        client.post("/api/control/tool_result", given)
        said = client.wait("assistant_message", success=True)["content"]
        assert "would run git push\nwould run ls" in said
        assert "(deny command `rm *`)" in said
        assert "would run cd" not in said


def is_asked(event: dict[str, Any]) -> bool:
    """Whether a person is asked whether a call may be made."""
    return str(event.get("tool_call_id", "")).startswith("approve:")


def use(client: WebClient) -> tuple[dict[str, Any], str]:
    """A run that uses the tool: its call as clients see it, and what is said in the end."""
    client.send("use it")
    call: dict[str, Any] = client.wait("tool_call")
    return call, client.wait("assistant_message", success=True)["content"]


@requirement("mcp:bridge:closed")
async def test_nobody_crosses_a_bridge_that_is_not_open(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        hello: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}):
            for method in ("GET", "POST", "DELETE"):
                reply: httpx2.Response = await client.request(
                    method, "/mcp/bridge", json=hello, headers=headers
                )
                assert reply.status_code == 401, reply.text
                assert reply.json()["error"]["code"] == "auth.invalid"
