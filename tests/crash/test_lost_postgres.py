"""A server whose PostgreSQL is gone still stops when it is told to."""

import os
import signal
import time
from pathlib import Path

import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from open_agent.testing.postgres import running_postgres
from tests.crash.server_process import ServerProcess
from tests.running import running

STOP_SECONDS = 25
"""What the guide promises."""


@pytest.mark.timeout(90)
@pytest.mark.slow
def test_a_server_that_lost_its_database_ends_in_time_with_a_task_in_hand(tmp_path: Path):
    def endless(asked: Asked) -> Turn:
        del asked
        return Turn(calls=(Call("run_command", {"command": "sleep 100025"}),))

    with ScriptedServer(endless) as model, running_postgres() as postgres:
        settings = {"DATABASE_URL": postgres.url()}
        with ServerProcess(
            tmp_path / "data", tmp_path / "work", model.base_url, settings
        ) as server:
            task = server.submit("Wait.", key="1")
            for record in server.follow(task, 0):
                if record["event"]["type"] == "tool.called":
                    break
            os.kill(postgres.pid, signal.SIGQUIT)
            began = time.monotonic()
            server.terminate(seconds=STOP_SECONDS)
            assert time.monotonic() - began < STOP_SECONDS
            assert not running("sleep 100025")
