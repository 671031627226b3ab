"""Scripts from files, and scripted models under a client of the same process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Invalid
from open_agent.models.client import ModelClient
from open_agent.models.encoding import Conversation
from open_agent.models.reply import ModelError, ModelRequest
from open_agent.scripted.faults import Cut, Silence
from open_agent.scripted.loading import load_script
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Call, Style, Turn, always, say
from open_agent.scripted.transport import ScriptedTransport
from tests.histories import begun


@pytest.fixture
def request_() -> ModelRequest:
    conversation = Conversation()
    for record in begun().records:
        conversation.apply(record)
    return conversation.encode_request("test/model", 100)


async def ask(model: ScriptedModel, request: ModelRequest) -> list[str]:
    """The text of the reply, in the pieces it came in."""
    pieces: list[str] = []
    async with httpx2.AsyncClient(transport=ScriptedTransport(model)) as http:
        client = ModelClient("http://demo/v1", None, SystemClock(), http=http)
        await client.complete(request, lambda kind, piece: pieces.append(piece))
    return pieces


async def test_a_script_plays_in_process(request_: ModelRequest) -> None:
    model = ScriptedModel(always(Turn("Hello there.", style=Style(chunk_chars=5))))
    assert await ask(model, request_) == ["Hello", " ther", "e."]
    assert model.seen[0].has_ended.is_set()
    assert not model.seen[0].was_left


async def test_text_comes_while_the_reply_is_still_being_made(request_: ModelRequest) -> None:
    model = ScriptedModel(always(Turn("Hello", fault=Silence(2))))
    came = anyio.Event()

    def on_delta(kind: str, piece: str) -> None:
        came.set()

    async with (
        httpx2.AsyncClient(transport=ScriptedTransport(model)) as http,
        anyio.create_task_group() as tasks,
    ):
        client = ModelClient("http://demo/v1", None, SystemClock(), http=http)
        tasks.start_soon(client.complete, request_, on_delta)
        with anyio.fail_after(3):
            await came.wait()
        tasks.cancel_scope.cancel()
    assert model.seen[0].was_left


async def test_a_cut_in_process_is_a_broken_stream(request_: ModelRequest) -> None:
    model = ScriptedModel(always(Turn("Hello", fault=Cut(2))))
    with pytest.raises(ModelError) as caught:
        await ask(model, request_)
    assert caught.value.code == "provider.broken_stream"


async def test_the_models_are_listed_in_process() -> None:
    model = ScriptedModel(say(), models=("demo",))
    async with httpx2.AsyncClient(transport=ScriptedTransport(model)) as http:
        reply = await http.get("http://demo/v1/models")
    assert [item["id"] for item in reply.json()["data"]] == ["demo"]


async def test_nothing_is_remembered_unless_asked(request_: ModelRequest) -> None:
    model = ScriptedModel(always("Hi."), remember=0)
    assert await ask(model, request_) == ["Hi."]
    assert len(model.seen) == 0


def test_a_script_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    turn = {
        "text": "Hi.",
        "calls": [{"name": "f", "arguments": {"a": 1}}],
        "fault": {"kind": "refusal", "status": 429, "retry_after": "1"},
        "fault_attempts": 1,
    }
    file.write_text(json.dumps({"turns": [turn], "then": {"text": "Bye."}}))
    script = load_script(str(file), delay=0)
    model = ScriptedModel(script)
    answer, seen = model.answer(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')
    assert (answer.status, answer.headers["retry-after"], seen.violations) == (429, "1", [])
    assert seen.asked is not None
    assert script(seen.asked).calls == (Call("f", {"a": 1}),)


@pytest.mark.parametrize(
    "content", [None, "nonsense", '{"turns":[{"txt":"x"}]}', '{"turns":[{"text":1}]}']
)
def test_a_file_that_is_no_script_is_refused(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "script.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Invalid) as caught:
        load_script(str(file), delay=0)
    assert caught.value.code == "script.invalid"


def test_the_command_serves_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "open_agent.scripted", "--script", "demo"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    base_url = json.loads(process.stdout.readline())["base_url"]
    with httpx2.Client() as http:
        assert http.get(f"{base_url}/models").status_code == 200
        assert http.get(f"{base_url}/nothing").status_code == 404
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    process.stdout.close()
