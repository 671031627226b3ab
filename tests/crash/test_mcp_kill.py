"""MCP servers and the death of ours: no process of theirs is left, and nothing is told twice."""

import json
import sys
import time
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.mcp import rig as programs
from tests.running import running

CANARY = "canary-of-the-kill-test"
SMALL = str(Path(str(programs.__file__)).parent / "small_server.py")


def add(server: ServerProcess, name: str, mark: str, **fields: object) -> str:
    stdio = {"command": sys.executable, "args": [SMALL, mark], "env": {"TOKEN": CANARY}}
    body = {"name": name, "transport": {"stdio": stdio}, **fields}
    answer = httpx2.post(f"{server.url}/api/mcp", json=body, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def wait_until_gone(mark: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while running(mark):
        assert time.monotonic() < deadline, running(mark)
        time.sleep(0.02)


@pytest.mark.timeout(120)
def test_a_killed_server_leaves_no_mcp_server_and_the_call_is_unknown(tmp_path: Path) -> None:
    mark = f"mark-{tmp_path.name}"

    def play(asked: Asked) -> Turn:
        if asked.turn == 0:
            return Turn(calls=(Call("shared_add", {"a": 1, "b": 2}),))
        if asked.turn == 1:
            return Turn(calls=(Call("apart_wait", {"seconds": 600}),))
        return Turn(text=f"It said: {asked.messages[-1]['content']}")

    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        add(server, "shared", mark)
        add(server, "apart", mark, per_mission=True)
        task = server.submit("Wait.", key="1")
        for record in server.follow(task, 0):
            event = record["event"]
            if event["type"] == "tool.called" and event["name"] == "apart_wait":
                break
        deadline = time.monotonic() + 20
        while len(running(mark)) < 2:
            assert time.monotonic() < deadline, running(mark)
            time.sleep(0.02)
        server.kill()
        wait_until_gone(mark, 10)
        server.start()
        ended = server.wait_for(task)
        assert "utcome unknown" in ended["result"]
        wait_until_gone(mark, 10)
        names = {each["name"]: each for each in server.get("/api/mcp")}
        assert {"shared", "apart"} <= set(names)
        assert "add" in names["shared"]["tools"]
        assert not list((tmp_path / "data" / "mcp-0").iterdir())
        assert CANARY not in server.output()
        assert CANARY not in json.dumps(server.records(task))
        assert server.terminate(seconds=20) == 0
        assert not running(mark)
