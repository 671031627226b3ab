"""`kill -9` of the real server amid missions at work, with a queue, a question and delegated work."""

import json
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
from open_agent.testing.check import check_history
from tests.crash.server_process import ServerProcess

KILLS = int(os.environ.get("OPEN_AGENT_CONTROL_KILLS", "8"))
STEPS = 6
OPTIONS = {
    "title": "Which?",
    "options": [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}],
    "selectionMode": "single",
}
UNREACHABLE = (httpx2.TransportError, AssertionError)


def script(effects: Path) -> Any:
    """What a message says first is what its run does."""

    def play(asked: Asked) -> Turn:
        places = [n for n, m in enumerate(asked.messages) if m["role"] == "user"]
        said = str(asked.messages[places[-1]]["content"])
        done = sum(m["role"] == "assistant" for m in asked.messages[places[-1] :])
        word, _, name = said.partition(" ")
        if word == "work" and done < STEPS:
            command = f"echo {name}-{done} >> {effects}; sleep 0.05"
            style = Style(chunk_chars=8, delay=0.01)
            return Turn("Step.", calls=(Call("run_command", {"command": command}),), style=style)
        if done:
            return Turn(text=f"{said}: {asked.messages[-1]['content']}")
        match word:
            case "ask":
                return Turn(calls=(Call("ui_optionList", OPTIONS),))
            case "delegate":
                return Turn(calls=(Call("delegate", {"task": f"work {name}"}),))
            case _:
                return Turn(text=f"{said}: done")

    return play


class Watcher(threading.Thread):
    """Follows the control stream across every crash, from the last id that it saw."""

    def __init__(self, server: ServerProcess) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.seen: list[tuple[str, str]] = []
        self.mark = ""
        """It ends when this mission is made and selected."""

    def run(self) -> None:
        """Watch until the mark comes."""
        while not self._has_ended():
            after = self.seen[-1][0] if self.seen else "0"
            path = f"{self._server.url}/api/control/stream?after={after}"
            try:
                with httpx2.stream("GET", path, timeout=5) as answer:
                    for event in httpx2.EventSource(answer):
                        if "." in (event.id or "") and "seq" not in event.event:
                            self._take(event.id, event.data)
                        if self._has_ended():
                            return
            except (*UNREACHABLE, httpx2.TimeoutException):
                time.sleep(0.02)  # deliberate: the server is down; try again as a browser would

    def _take(self, id_: str, data: str) -> None:
        # What has no id of its own carries that of the event before it.
        if not self.seen or self.seen[-1][0] != id_:
            self.seen.append((id_, data))

    def _has_ended(self) -> bool:
        last = self.seen[-1][1] if self.seen else ""
        return bool(self.mark) and self.mark in last and "mission_selected" in last


def surely(server: ServerProcess, method: str, path: str, body: Any, *, ok: set[int]) -> Any:
    """Ask until there is an answer, with the same key."""
    for _ in range(600):
        try:
            reply = httpx2.request(method, f"{server.url}{path}", json=body, timeout=20)
        except httpx2.TransportError:
            time.sleep(0.02)  # deliberate: the server is down; try again as a client would
            continue
        assert reply.status_code in ok, reply.text
        return reply.json()
    raise AssertionError("never answered")


@pytest.mark.timeout(300)
def test_everything_goes_on_after_every_kill(tmp_path: Path) -> None:
    effects = tmp_path / "lines"
    effects.touch()
    chance = random.Random(int(os.environ.get("OPEN_AGENT_SEED", "1")))
    with (
        ScriptedServer(script(effects)) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        missions = {
            name: surely(server, "POST", "/api/control/missions", {"title": name}, ok={200})["id"]
            for name in ("queue", "ask", "delegate")
        }
        watcher = Watcher(server)
        watcher.start()

        def send_all() -> None:
            words = {"ask": ["ask one"], "delegate": ["delegate e"]}
            for name, id_ in missions.items():
                for said in words.get(name, ["work a", "work b", "work c", "work d"]):
                    body = {"content": said, "mission_id": id_, "key": said}
                    surely(server, "POST", "/api/control/message", body, ok={200})

        client = threading.Thread(target=send_all, daemon=True)
        client.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.6))  # deliberate: the moment of the crash
            server.kill()
            server.start()
        client.join(60)
        answer_question(server, missions["ask"])
        wait_until_idle(server)
        histories = {
            name: server.get(f"/api/control/missions/{id_}")["history"]
            for name, id_ in missions.items()
        }
        trees = {
            name: server.get(f"/api/control/missions/{id_}/tree") for name, id_ in missions.items()
        }
        watcher.mark = surely(
            server, "POST", "/api/control/missions", {"title": "the mark"}, ok={200}
        )["id"]
        watcher.join(20)
        again = Watcher(server)
        again.mark = watcher.mark
        again.run()
        assert not (model.model and model.model.violations)
        server.kill()
    assert watcher.seen == again.seen, "a watcher missed or repeated an event"
    said = [each["content"] for each in histories["queue"] if each["role"] == "user"]
    assert said == ["work a", "work b", "work c", "work d"]
    assert [each["role"] for each in histories["queue"]].count("assistant") == 4
    assert '"b"' in histories["ask"][-1]["content"]
    assert "work e" in histories["delegate"][-1]["content"]
    assert [node["type"] for node in trees["delegate"]["children"]] == ["Subagent"]
    assert all(tree["status"] == "completed" for tree in trees.values())
    lines = effects.read_text().split()
    assert len(lines) == len(set(lines)), "an effect happened twice"
    assert check_history(tmp_path) == []


def answer_question(server: ServerProcess, mission_id: str) -> None:
    """Answer what is asked, once it is."""
    deadline = time.monotonic() + 60
    while not (questions := server.get("/api/control/questions")):
        assert time.monotonic() < deadline, json.dumps(server.get("/api/control/running"))
        time.sleep(0.05)
    (question,) = questions
    assert question["mission_id"] == mission_id
    body = {"tool_call_id": question["tool_call_id"], "name": "ui_optionList", "result": "b"}
    surely(server, "POST", "/api/control/tool_result", body, ok={200})


def wait_until_idle(server: ServerProcess, *, seconds: float = 90) -> None:
    """Return when nothing is at work any more."""
    deadline = time.monotonic() + seconds
    while running := server.get("/api/control/running"):
        assert time.monotonic() < deadline, running
        time.sleep(0.05)
