"""Stop, as a client of the real server sees it."""

import sys
import time
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.requirements import requirement
from tests.running import running

pytestmark = pytest.mark.slow

STAYS = """
import signal, time
for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(one, signal.SIG_IGN)
time.sleep(1000)
"""
SECONDS = 5.0
"""Within which everything that a run started must have ended."""


def stop(server: ServerProcess, task: str) -> dict[str, object]:
    answer = httpx2.post(f"{server.url}/api/task/{task}/stop", timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait_for_record(server: ServerProcess, task: str, type_: str) -> None:
    for record in server.follow(task, 0):
        if record["event"]["type"] == type_:
            return
    raise AssertionError(f"the stream ended before {type_}")


@pytest.mark.timeout(60)
@requirement("tasks:stop:ends")
def test_a_stop_ends_every_process_of_the_run_however_detached(tmp_path: Path) -> None:
    stays = tmp_path / "stays.py"
    stays.write_text(STAYS)
    it = f"{sys.executable} {stays}"
    command = f"setsid {it} & nohup {it} > /dev/null & (env -i {it} &) ; {it}"

    def play(asked: Asked) -> Turn:
        del asked
        return Turn("I wait.", calls=(Call("run_command", {"command": command}),))

    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        task = server.submit("Wait.", key="1")
        wait_for_record(server, task, "tool.called")
        deadline = time.monotonic() + 10
        while len(running(str(stays))) < 4:
            assert time.monotonic() < deadline, running(str(stays))
            time.sleep(0.02)
        began = time.monotonic()
        assert stop(server, task)["success"] is True
        while running(str(stays)):
            assert time.monotonic() - began < SECONDS, running(str(stays))
            time.sleep(0.02)
        assert server.wait_for(task, seconds=SECONDS)["status"] == "cancelled"
        types = [record["event"]["type"] for record in server.records(task)]
        assert types[-2:] == ["tool.returned", "run.finished"]


@pytest.mark.timeout(60)
@requirement("tasks:stop:while-asking", "tasks:stop:answers")
def test_a_stop_does_not_wait_for_the_models_sentence(tmp_path: Path) -> None:
    def play(asked: Asked) -> Turn:
        del asked
        return Turn("and so on " * 1000, style=Style(chunk_chars=10, delay=0.1))

    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        task = server.submit("Talk.", key="1")
        wait_for_record(server, task, "model.asked")
        began = time.monotonic()
        assert stop(server, task) == {"success": True, "message": "Task cancelled"}
        assert time.monotonic() - began < SECONDS
        assert server.get(f"/api/task/{task}")["status"] == "cancelled"
