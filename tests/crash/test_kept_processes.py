"""What a call said to keep outlives its run, is listed, can be stopped, and ends with the server."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.running import running

KEPT = "sleep 86397.25"
LEFT = "sleep 86397.75"


def leave_running(asked: Asked) -> Turn:
    """One process that is kept, and one that is not."""
    calls = (
        Call("run_command", {"command": f"setsid {KEPT} >/dev/null 2>&1 &", "keep": True}),
        Call("run_command", {"command": f"setsid {LEFT} >/dev/null 2>&1 &"}),
    )
    return Turn(text="Done.") if asked.turn else Turn(calls=calls)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with (
        ScriptedServer(leave_running) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        yield server


@pytest.mark.timeout(60)
def test_a_kept_process_is_listed_and_stopped_and_another_ends_with_its_run(
    server: ServerProcess,
):
    mission_id = server.submit("Leave something running.", key="1")
    assert server.wait_for(mission_id)["status"] == "completed"
    path = f"/api/missions/{mission_id}/processes"
    listed = server.get(path)["items"]
    assert KEPT in {process["command"] for process in listed}
    assert running(KEPT)
    assert not running(LEFT)
    pid = next(process["pid"] for process in listed if process["command"] == KEPT)
    answer = httpx2.post(f"{server.url}{path}/{pid}/stop", timeout=20)
    assert answer.status_code == 204
    assert not running(KEPT)
    again = httpx2.post(f"{server.url}{path}/{pid}/stop", timeout=20)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "process.not_found")


@pytest.mark.timeout(60)
def test_a_kept_process_ends_with_the_server(server: ServerProcess):
    mission_id = server.submit("Leave something running.", key="1")
    server.wait_for(mission_id)
    assert running(KEPT)
    assert server.terminate(seconds=25) == 0
    assert not running(KEPT)
