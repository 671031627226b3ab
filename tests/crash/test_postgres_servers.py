"""Real servers on one PostgreSQL and one DATA_DIR: what one leaves, another finishes."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from open_agent.testing.postgres import PostgresServer, running_postgres
from tests.crash.server_process import ServerProcess


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


def steps(asked: Asked) -> Turn:
    """Ten steps, each appending a line of its own."""
    if asked.turn >= 10:
        return Turn(text="Done.")
    call = Call("run_command", {"command": f"echo {asked.turn} >> lines; sleep 0.1"})
    return Turn(calls=(call,), style=Style(delay=0.02))


def serving(tmp_path: Path, model_url: str, database_url: str, port: str) -> ServerProcess:
    return ServerProcess(
        tmp_path / "data",
        tmp_path / "work",
        model_url,
        {"DATABASE_URL": database_url, "PORT": port},
    )


@pytest.mark.timeout(120)
def test_a_killed_servers_mission_is_finished_by_the_other(
    tmp_path: Path, postgres: PostgresServer
):
    with ScriptedServer(steps) as model:
        url = postgres.url()
        with serving(tmp_path, model.base_url, url, "0") as first:
            mission_id = first.submit("Do it.", key="1")
            for record in first.follow(mission_id, 0):
                if record["event"]["type"] == "tool.called" and record["seq"] > 8:
                    break
            with serving(tmp_path, model.base_url, url, "0") as second:
                assert first.url != second.url
                first.kill()
                began = time.monotonic()
                task = second.wait_for(mission_id, seconds=40)
                taken = time.monotonic() - began
                records = second.records(mission_id)
                first.start()
                assert first.records(mission_id) == records
    assert task["status"] == "completed"
    assert taken < 30
    types = [record["event"]["type"] for record in records]
    assert types.count("run.started") == types.count("run.finished") == 1
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    lines = (Path(task["workspace"]) / "lines").read_text().split()
    assert len(lines) == len(set(lines)), "a step was done twice"


@pytest.mark.timeout(60)
def test_a_cancel_at_one_server_stops_the_run_of_the_other(
    tmp_path: Path, postgres: PostgresServer
):
    def endless(asked: Asked) -> Turn:
        del asked
        return Turn(calls=(Call("run_command", {"command": "sleep 1000"}),))

    with ScriptedServer(endless) as model:
        url = postgres.url()
        with (
            serving(tmp_path, model.base_url, url, "0") as first,
            serving(tmp_path / "other", model.base_url, url, "0") as second,
        ):
            mission_id = first.submit("Do it.", key="2")
            for record in first.follow(mission_id, 0):
                if record["event"]["type"] == "tool.called":
                    break
            answer = httpx2.post(f"{second.url}/api/task/{mission_id}/stop", timeout=20)
            assert answer.status_code == 200, answer.text
            assert second.wait_for(mission_id, seconds=10)["status"] == "cancelled"
