"""A client that behaves as the original's web client, and a run that OpenCode carries out."""

import json
from pathlib import Path
from typing import Any

import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.http.web_client import WebClient
from tests.interaction.requirements import requirement
from tests.programs import opencode

pytestmark = pytest.mark.slow

QUESTION = {
    "question": "Which?",
    "header": "Choice",
    "options": [{"label": "A", "description": "The one"}, {"label": "B", "description": "Other"}],
}


def play(asked: Asked) -> Turn:
    """The last message says what to do; after a call, what came of it is told."""
    last = asked.messages[-1]
    if last["role"] == "tool":
        return Turn(text=f"It said: {last['content']}")
    said = str(last["content"])
    if "run something" in said:
        call = Call("bash", {"command": "echo hello", "description": "Say hello"})
        return Turn(text="I look.", reasoning="Hm.", calls=(call,))
    if "choose something" in said:
        return Turn(calls=(Call("question", {"questions": [QUESTION]}),))
    return Turn(calls=(Call("bash", {"command": "rm -f nothing", "description": "Remove"}),))


@requirement("runs:original-client")
@pytest.mark.timeout(300)
def test_the_original_web_client_sees_and_answers_a_run_on_opencode(tmp_path: Path) -> None:
    settings = {
        "OPENCODE_MANAGED": "true",
        "OPENCODE_PROGRAM": opencode(),
        "OPENCODE_PERMISSIVE": "false",
        "APPROVALS": json.dumps([{"action": "ask", "command": "rm *"}]),
    }
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
        WebClient(server.url) as client,
    ):
        # OpenCode is started with the first run, which takes longer than a client waits.
        server.wait_for(server.submit("run something", key="first"), seconds=120)
        see_a_run(client)
        answer(client, "choose", "B", told='"Which?"="B"')
        answer(client, "remove", "allow", told="It said:")
        mission = client.get("/api/control/missions/current")
        assert [each["role"] for each in mission["history"]] == ["user", "assistant"] * 3
        assert not (model.model and model.model.violations)


def see_a_run(client: WebClient) -> None:
    """What is thought, called, answered and said in the end."""
    client.send("run something")
    call = client.wait("tool_call", name="bash")
    assert call["args"]["command"] == "echo hello"
    assert "hello" in client.wait("tool_result", tool_call_id=call["tool_call_id"])["result"]
    thought = client.wait("thinking", done=True)["content"]
    assert thought == "Hm.\n\nI look."
    assert client.wait("assistant_message", success=True)["content"] == "It said: hello\n"
    client.wait("status", state="idle")


def answer(client: WebClient, word: str, chosen: str, *, told: str) -> None:
    """What OpenCode asks, answered in the stream's lists of options."""
    client.send(f"{word} something")
    call: dict[str, Any] = client.wait("tool_call", name="ui_optionList")
    assert any(option["id"] == chosen for option in call["args"]["options"])
    body = {"tool_call_id": call["tool_call_id"], "name": "ui_optionList", "result": chosen}
    assert client.post("/api/control/tool_result", body) == {"ok": True}
    assert client.wait("tool_result", tool_call_id=call["tool_call_id"])["result"] == chosen
    assert told in client.wait("assistant_message", success=True)["content"]
