"""A day with a client that behaves as the original's web client, in every mode."""

import json
from pathlib import Path
from typing import Any

import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.http.web_client import WebClient
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.slow

SECRET = "a-secret-that-only-tests-would-use-0123456789"
USERS = [{"id": "anna", "username": "anna", "password": "password of anna"}]
MODES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "disabled": ({"DEV_MODE": "true"}, {}),
    "single_tenant": (
        {"DEV_MODE": "false", "DASHBOARD_PASSWORD": "password of one", "JWT_SECRET": SECRET},
        {"password": "password of one"},
    ),
    "multi_user": (
        {"DEV_MODE": "false", "OPEN_AGENT_USERS": json.dumps(USERS), "JWT_SECRET": SECRET},
        {"username": "anna", "password": "password of anna"},
    ),
}
APPROVALS = [{"action": "ask", "command": "rm *"}]
OPTIONS = {
    "title": "Which?",
    "options": [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}],
    "selectionMode": "single",
}


def play(asked: Asked) -> Turn:
    """The last message says what to do; after a call, what came of it is told."""
    last = asked.messages[-1]
    if last["role"] == "tool":
        return Turn(text=f"It said: {last['content']}")
    said = next(m["content"] for m in reversed(asked.messages) if m["role"] == "user")
    match str(said).split(" ")[0]:
        case "run":
            call = Call("run_command", {"command": "echo hello"})
            return Turn(text="I look.", reasoning="Hm.", calls=(call,))
        case "choose":
            return Turn(calls=(Call("ui_optionList", OPTIONS),))
        case "remove":
            return Turn(calls=(Call("run_command", {"command": "rm -f nothing"}),))
        case "slowly":
            return Turn(calls=(Call("run_command", {"command": "sleep 60"}),))
        case _:
            return Turn(text="Hello there, all of you.", style=Style(chunk_chars=4, delay=0.03))


@requirement("control:original-client")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", list(MODES))
def test_the_original_web_client_works(tmp_path: Path, mode: str) -> None:
    settings, credentials = MODES[mode]
    approvals = {"APPROVALS": json.dumps(APPROVALS)}
    with (
        ScriptedServer(play) as model,
        ServerProcess(
            tmp_path / "data", tmp_path / "work", model.base_url, {**settings, **approvals}
        ) as server,
    ):
        with WebClient(server.url, **credentials) as client:
            assert client.mode == mode
            first = talk(client)
            answer_questions(client)
            work_in_parallel(client, first)
        server.kill()
        server.start()
        with WebClient(server.url, **credentials) as client:
            resume_and_delete(client, first)
        assert not (model.model and model.model.violations)


def talk(client: WebClient) -> str:
    """Messages, a tool and answers; the mission that they made."""
    assert client.get("/api/control/missions/current") is None
    client.send("hello there")
    thought = client.wait("thinking", done=False)["content"]
    assert "Hello there, all of you.".startswith(thought)
    answer = client.wait("assistant_message", success=True)
    assert answer["content"] == "Hello there, all of you."
    client.wait("status", state="idle")
    client.send("run something")
    assert "I look." in client.wait("thinking", done=True)["content"]
    call = client.wait("tool_call", name="run_command")
    assert call["args"] == {"command": "echo hello"}
    result = client.wait("tool_result", tool_call_id=call["tool_call_id"])
    assert "hello" in result["result"]
    client.wait("assistant_message", success=True)
    mission = client.get("/api/control/missions/current")
    assert [each["role"] for each in mission["history"]] == ["user", "assistant"] * 2
    assert (mission["title"], mission["status"]) == ("hello there", "active")
    ids = [each["id"] for each in client.events if each["type"].endswith("_message")]
    assert len(ids) == len(set(ids)) == 4
    tree = client.get(f"/api/control/missions/{mission['id']}/tree")
    assert (tree["node_type"], tree["status"]) == ("Mission", "completed")
    return mission["id"]


def answer_questions(client: WebClient) -> None:
    """A choice, and leave to call, both answered in the stream's lists of options."""
    for word, name, answer, told in (
        ("choose", "ui_optionList", "b", "b"),
        ("remove", "ui_optionList", "allow", "Exit code: 0"),
    ):
        client.send(f"{word} something")
        call = client.wait("tool_call", name=name)
        assert any(option["id"] == answer for option in call["args"]["options"])
        client.wait("status", state="waiting_for_tool")
        (running,) = client.get("/api/control/running")
        assert running["state"] == "waiting_for_tool"
        body = {"tool_call_id": call["tool_call_id"], "name": name, "result": answer}
        assert client.post("/api/control/tool_result", body) == {"ok": True}
        assert client.status("POST", "/api/control/tool_result", body) == 409
        assert client.wait("tool_result", tool_call_id=call["tool_call_id"])["result"] == answer
        assert told in client.wait("assistant_message", success=True)["content"]
    body = {"tool_call_id": "nobody", "name": "ui_optionList", "result": "a"}
    assert client.status("POST", "/api/control/tool_result", body) == 404


def work_in_parallel(client: WebClient, first: str) -> None:
    """Two missions at once; each is stopped by itself."""
    second = client.post("/api/control/missions", {})["id"]
    client.send("slowly now")
    client.wait("tool_call", mission_id=second)
    started = client.post(f"/api/control/missions/{first}/parallel", {"content": "slowly too"})
    assert started["mission_id"] == first
    client.wait("tool_call", mission_id=first)
    running = client.get("/api/control/running")
    assert {(each["mission_id"], each["state"]) for each in running} == {
        (first, "running"),
        (second, "running"),
    }
    assert client.status("DELETE", f"/api/control/missions/{first}") == 409
    assert client.post("/api/control/cancel") == {"ok": True}
    client.wait("error", message="Cancellation requested", mission_id=second)
    client.wait("assistant_message", mission_id=second, success=False)
    client.wait("status", mission_id=second, state="idle")
    (running,) = client.get("/api/control/running")
    assert running["mission_id"] == first
    cancelled = client.post(f"/api/control/missions/{first}/cancel", {})
    assert cancelled == {"ok": True, "cancelled": first}
    client.wait("assistant_message", mission_id=first, success=False)
    client.post("/api/control/cancel")
    client.wait("error", message="No running task to cancel")


def resume_and_delete(client: WebClient, first: str) -> None:
    """After a crash all is there; what was stopped is taken up again, and in the end deleted."""
    missions: list[dict[str, Any]] = client.get("/api/control/missions")
    assert {each["id"] for each in missions} >= {first}
    assert len(missions) == 2
    assert next(each for each in missions if each["id"] == first)["resumable"] is True
    client.post(f"/api/control/missions/{first}/status", {"status": "blocked"})
    client.wait("mission_status_changed", mission_id=first, status="blocked", summary=None)
    resumed = client.post(f"/api/control/missions/{first}/resume", {"clean_workspace": True})
    assert (resumed["status"], resumed["resumable"]) == ("active", False)
    assert client.wait("user_message", mission_id=first)["content"]
    client.wait("assistant_message", mission_id=first, success=True)
    client.wait("status", mission_id=first, state="idle")
    assert client.get("/api/control/missions/current")["id"] == first
    assert client.status("POST", f"/api/control/missions/{first}/resume") == 400
    runs = client.get("/api/runs?limit=50")["runs"]
    assert all(isinstance(run["total_cost_cents"], int) for run in runs)
    for mission in missions:
        assert client.status("DELETE", f"/api/control/missions/{mission['id']}") == 200
    assert client.get("/api/control/missions") == []
    assert client.get("/api/control/missions/current") is None
    assert client.post("/api/control/missions/cleanup") == {"ok": True, "deleted_count": 0}
