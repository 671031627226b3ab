"""`kill -9` of the real server, again and again, while clients submit, watch and wait.

Checked by identity: what clients were told (ids, records) against what is there at the end.
"""

import os
import random
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

KILLS = int(os.environ.get("OPEN_AGENT_SERVER_KILLS", "60"))
TASKS = 6
STEPS = 40
UNREACHABLE = (httpx2.TransportError, AssertionError)


def script(effects: Path) -> Any:
    """Every step appends a line that no other step appends, at a leisurely pace."""

    def play(asked: Asked) -> Turn:
        task = next(m["content"] for m in asked.messages if m["role"] == "user")
        if asked.turn >= STEPS:
            return Turn(text=f"{task} is done.")
        line = f"{task}-{asked.turn}"
        command = f"sleep 0.02; echo {line} >> {effects}; sleep 0.02"
        return Turn(
            text=f"Step {asked.turn}.",
            calls=(Call("run_command", {"command": command}),),
            style=Style(chunk_chars=8, delay=0.004),
        )

    return play


class Watcher(threading.Thread):
    """Follows a mission across every crash, resuming from the last record it saw."""

    def __init__(self, server: ServerProcess, mission_id: str) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._mission_id = mission_id
        self.seen: list[dict[str, Any]] = []
        self.is_over = False

    def run(self) -> None:
        """Watch until the run has finished."""
        while not self.is_over:
            after = self.seen[-1]["seq"] if self.seen else 0
            try:
                for record in self._server.follow(self._mission_id, after):
                    self.seen.append(record)
                    if record["event"]["type"] == "run.finished":
                        self.is_over = True
                        return
            except UNREACHABLE:
                time.sleep(0.02)  # deliberate: the server is down; try again as a browser would


def submit_surely(server: ServerProcess, task: str) -> tuple[str, int]:
    """Submit with one key until it is acknowledged, and once more after; the id and the tries."""
    tries = 0
    while True:
        tries += 1
        try:
            mission_id = server.submit(task, key=task)
            assert server.submit(task, key=task) == mission_id
            return mission_id, tries
        except UNREACHABLE:
            time.sleep(0.02)  # deliberate: the server is down; try again as a client would
            assert tries < 500


@pytest.mark.timeout(600)
def test_sixty_kills_lose_nothing_and_repeat_nothing(tmp_path: Path):
    effects = tmp_path / "effects"
    effects.touch()
    chance = random.Random(int(os.environ.get("OPEN_AGENT_SEED", "1")))
    with (
        ScriptedServer(script(effects)) as model,
        ServerProcess(
            tmp_path / "data",
            tmp_path / "work",
            model.base_url,
            {"MAX_ITERATIONS": "500", "MAX_PARALLEL_MISSIONS": str(TASKS)},
        ) as server,
    ):
        ids: dict[str, str] = {}
        watchers: dict[str, Watcher] = {}

        def submit_all() -> None:
            for number in range(TASKS):
                task = f"task{number}"
                ids[task], _ = submit_surely(server, task)
                watchers[task] = Watcher(server, ids[task])
                watchers[task].start()

        client = threading.Thread(target=submit_all, daemon=True)
        client.start()
        kills = 0
        while kills < KILLS and not (
            len(ids) == TASKS and all(w.is_over for w in watchers.values())
        ):
            time.sleep(chance.uniform(0.0, 0.35))  # deliberate: the moment of the crash
            server.kill()
            kills += 1
            server.start()
        client.join(60)
        ended = {task: server.wait_for(ids[task], seconds=120) for task in ids}
        logs = {task: server.records(ids[task]) for task in ids}
        for watcher in watchers.values():
            watcher.join(20)
        assert len(server.get("/api/tasks")) == TASKS
        model_violations = model.model.violations if model.model else []
    assert kills >= min(KILLS, 20)
    assert not model_violations
    lines = effects.read_text().split()
    assert len(lines) == len(set(lines)), "an effect happened twice"
    for task, records in logs.items():
        assert ended[task]["status"] == "completed", ended[task]
        check_log(task, records, set(lines))
        assert watchers[task].seen == records, "a watcher missed or repeated a record"
    assert not running(str(effects)), "a command outlived its server"


def check_log(task: str, records: list[dict[str, Any]], lines: set[str]) -> None:
    """Gapless, one end, every call answered once; what is called done was done."""
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    events = [r["event"] for r in records]
    assert [e["type"] for e in events].count("run.finished") == 1
    assert [e["type"] for e in events].count("message.received") == 1
    called = [e["call_id"] for e in events if e["type"] == "tool.called"]
    assert len(called) == len(set(called))
    asked = [c["call_id"] for e in events if e["type"] == "model.answered" for c in e["tool_calls"]]
    returned = {e["call_id"]: e for e in events if e["type"] == "tool.returned"}
    assert sorted(asked) == sorted(e["call_id"] for e in events if e["type"] == "tool.returned")
    for turn, call_id in enumerate(asked):
        if returned[call_id]["outcome"] == "ok":
            assert f"{task}-{turn}" in lines
        else:
            assert returned[call_id]["outcome"] == "unknown"
