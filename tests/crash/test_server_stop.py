"""SIGTERM: streams end, moves in hand finish, everything goes on at the next start (check 66)."""

import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.running import running

RUNS = 5
STREAMS = 50


def at_leisure(asked: Asked) -> Turn:
    """Ten steps of a command that takes its time."""
    if asked.turn >= 10:
        return Turn(text="Done.")
    call = Call("run_command", {"command": f"echo {asked.turn}; sleep 0.3"})
    return Turn(text="Going on.", calls=(call,), style=Style(delay=0.02))


class Stream(threading.Thread):
    """Holds a stream open and remembers how it ended."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.is_open = threading.Event()
        self.error: Exception | None = None

    def run(self) -> None:
        """Read until the server ends it."""
        try:
            with httpx2.stream("GET", self._url, timeout=60) as answer:
                for _ in answer.iter_bytes():
                    self.is_open.set()
        except httpx2.TransportError as error:
            self.error = error


def serving(tmp_path: Path, model_url: str, **settings: str) -> ServerProcess:
    return ServerProcess(tmp_path / "data", tmp_path / "work", model_url, settings)


@pytest.mark.timeout(120)
def test_a_stop_with_five_runs_and_fifty_streams_is_quick_and_everything_goes_on(tmp_path: Path):
    with (
        ScriptedServer(at_leisure) as model,
        serving(tmp_path, model.base_url, MAX_PARALLEL_MISSIONS=str(RUNS)) as server,
    ):
        ids = [server.submit(f"task {n}", key=str(n)) for n in range(RUNS)]
        streams = [
            Stream(f"{server.url}/api/missions/{ids[n % RUNS]}/stream") for n in range(STREAMS)
        ]
        for stream in streams:
            stream.start()
        for stream in streams:
            assert stream.is_open.wait(10)
        began = time.monotonic()
        assert server.terminate(seconds=25) == 0
        assert time.monotonic() - began < 25
        for stream in streams:
            stream.join(5)
            assert not stream.is_alive()
            assert stream.error is None, "a stream was cut in place of ended"
        assert not running("sleep 0.3")
        server.start()
        for mission_id in ids:
            assert server.wait_for(mission_id)["status"] == "completed"
            types = [r["event"]["type"] for r in server.records(mission_id)]
            assert types.count("run.finished") == 1
            assert "run.recovered" not in types, "a move was cut though there was time"


@pytest.mark.timeout(60)
def test_a_stopping_server_says_that_it_is_not_ready(tmp_path: Path):
    def slow(asked: Asked) -> Turn:
        if asked.turn > 0:
            return Turn(text="Done.")
        call = Call("run_command", {"command": "sleep 2"})
        return Turn(text="I wait.", calls=(call,))

    with ScriptedServer(slow) as model, serving(tmp_path, model.base_url) as server:
        task = server.submit("Wait.", key="1")
        for record in server.follow(task, 0):
            if record["event"]["type"] == "tool.called":
                break
        stopping = threading.Thread(target=server.terminate, kwargs={"seconds": 25})
        stopping.start()
        answers: list[int] = []
        while stopping.is_alive() and 503 not in answers:
            try:
                answers.append(httpx2.get(f"{server.url}/api/ready", timeout=5).status_code)
            except httpx2.TransportError:
                break
        stopping.join()
        assert answers[-1] == 503
        assert set(answers) <= {200, 503}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_and_says_what_becomes_of_the_work(
    tmp_path: Path, number: signal.Signals
):
    def slow(asked: Asked) -> Turn:
        if asked.turn > 0:
            return Turn(text="Done.")
        return Turn(calls=(Call("run_command", {"command": "sleep 100031"}),))

    with ScriptedServer(slow) as model, serving(tmp_path, model.base_url) as server:
        task = server.submit("Wait.", key="1")
        for record in server.follow(task, 0):
            if record["event"]["type"] == "tool.called":
                break
        assert server.process is not None
        server.process.send_signal(number)
        deadline = time.monotonic() + 10
        while "Stopping" not in server.output():
            assert time.monotonic() < deadline, server.output()
            time.sleep(0.01)
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(10) == 128 + number
        assert time.monotonic() - began < 2
        assert server.output().splitlines()[-1] == (
            "Stopped at once: work was cut off, and goes on at the next start."
        )
        server.start()
        assert server.wait_for(task)["status"] == "completed"


@pytest.mark.timeout(60)
def test_a_second_server_on_the_same_data_is_refused_and_a_killed_one_leaves_no_lock(
    tmp_path: Path,
):
    def quick(asked: Asked) -> Turn:
        del asked
        return Turn(text="Done.")

    with ScriptedServer(quick) as model, serving(tmp_path, model.base_url) as server:
        other: Any = serving(tmp_path, model.base_url)
        other.starts = 100
        with pytest.raises(AssertionError, match="is in use by a server with pid"):
            other.start()
        server.process = server.process or other.process
        server.kill()
        server.start()
        assert server.get("/api/health")["ready"] is True
