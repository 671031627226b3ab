"""`kill -9` of the real server, and of both, while OpenCode works: the run goes on, nothing twice.

A managed OpenCode dies with its server; one that was there before goes on without it.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.crash.standing import StandingOpenCode
from tests.programs import opencode
from tests.running import running

pytestmark = [pytest.mark.timeout(400)]

PATIENCE = 120


def script(mark: str) -> Callable[[Asked], Turn]:
    """One command that takes its time, and then the end; after a cut, what it was told."""

    def play(asked: Asked) -> Turn:
        if "Your work was cut off" in str(asked.messages):
            return Turn(text="Went on.")
        if asked.messages[-1]["role"] == "tool":
            return Turn(text="Done.")
        line = f"while [ ! -e go ]; do sleep 0.05; done; : {mark}; echo went >> effects"
        call = Call("bash", {"command": line, "description": "Wait"})
        return Turn(text="I wait.", calls=(call,))

    return play


def until(is_so: Callable[[], Any], what: str) -> None:
    """Wait for something to be so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def events(server: ServerProcess, mission_id: str) -> list[dict[str, Any]]:
    """The events of a mission's log."""
    records = server.records(mission_id)
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    return [record["event"] for record in records]


def has_call(server: ServerProcess, mission_id: str) -> bool:
    """Whether its tool call has begun."""
    return any(event["type"] == "tool.called" for event in events(server, mission_id))


def check(log: list[dict[str, Any]]) -> None:
    """Each call asked for, begun and answered once; each model call answered once; one end."""
    kinds = [event["type"] for event in log]
    called = [event["call_id"] for event in log if event["type"] == "tool.called"]
    returned = [event["call_id"] for event in log if event["type"] == "tool.returned"]
    asked = [
        call["call_id"]
        for event in log
        if event["type"] == "model.answered"
        for call in event["tool_calls"]
    ]
    assert sorted(called) == sorted(set(called)) == sorted(returned) == sorted(asked)
    assert kinds.count("model.asked") == kinds.count("model.answered") + kinds.count("model.failed")
    assert kinds.count("run.finished") == kinds.count("run.started") == 1


def test_a_run_goes_on_after_its_server_and_with_it_opencode_was_killed(tmp_path: Path):
    mark = f"mark{os.getpid()}a"
    settings = {"OPENCODE_MANAGED": "true", "OPENCODE_PROGRAM": opencode()}
    with (
        ScriptedServer(script(mark)) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
    ):
        mission_id = server.submit("Wait.", key="one")
        until(lambda: has_call(server, mission_id), "the call begins")
        until(lambda: running(mark), "the command runs")
        server.kill()
        until(lambda: not running(mark), "the command ends with its server")
        server.start()
        ended = server.wait_for(mission_id, seconds=PATIENCE)
        log = events(server, mission_id)

    assert (ended["status"], ended["result"]) == ("completed", "Went on.")
    check(log)
    [returned] = [event for event in log if event["type"] == "tool.returned"]
    assert returned["outcome"] == "unknown"
    prompts = [event["cause"] for event in log if event["type"] == "backend.prompted"]
    assert prompts == ["start", "continue"]


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_run_on_an_opencode_that_lives_on_is_followed_again(tmp_path: Path, how: str):
    mark = f"mark{os.getpid()}b"
    with (
        ScriptedServer(script(mark)) as model,
        StandingOpenCode(tmp_path / "opencode", model.base_url) as standing,
        ServerProcess(
            tmp_path / "data",
            tmp_path / "work",
            model.base_url,
            {"OPENCODE_BASE_URL": standing.url, "DEFAULT_MODEL": "scripted/model"},
        ) as server,
    ):
        mission_id = server.submit("Wait.", key="one")
        until(lambda: has_call(server, mission_id), "the call begins")
        workspace = Path(server.get(f"/api/task/{mission_id}")["workspace"])
        if how == "kill":
            server.kill()
        else:
            server.terminate(seconds=60)
        (workspace / "go").touch()
        until((workspace / "effects").exists, "the command goes on without the server")
        server.start()
        ended = server.wait_for(mission_id, seconds=PATIENCE)
        log = events(server, mission_id)
        effects = (workspace / "effects").read_text()

    assert (ended["status"], ended["result"]) == ("completed", "Done.")
    check(log)
    assert effects == "went\n"
    [returned] = [event for event in log if event["type"] == "tool.returned"]
    assert returned["outcome"] == "ok"
    assert [event["cause"] for event in log if event["type"] == "backend.prompted"] == ["start"]


def test_stop_ends_a_run_on_an_opencode_that_is_not_ours(tmp_path: Path):
    mark = f"mark{os.getpid()}c"
    with (
        ScriptedServer(script(mark)) as model,
        StandingOpenCode(tmp_path / "opencode", model.base_url) as standing,
        ServerProcess(
            tmp_path / "data",
            tmp_path / "work",
            model.base_url,
            {"OPENCODE_BASE_URL": standing.url, "DEFAULT_MODEL": "scripted/model"},
        ) as server,
    ):
        mission_id = server.submit("Wait.", key="one")
        until(lambda: running(mark), "the command runs")
        stopped = httpx2.post(f"{server.url}/api/task/{mission_id}/stop", timeout=60)
        assert stopped.status_code == 200
        until(lambda: not running(mark), "the command is gone")
        ended = server.wait_for(mission_id, seconds=PATIENCE)
        check(events(server, mission_id))

    assert ended["status"] == "cancelled"
