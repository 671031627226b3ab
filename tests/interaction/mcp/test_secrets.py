"""What a server is configured with is nowhere in what it says, whatever it says it with."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.mcp import rig as programs
from tests.interaction.requirements import requirement

TELLING = str(Path(str(programs.__file__)).parent / "telling_server.py")
TOKEN, LINE = "tok-canary-4711", "keycanary0815abcdef"
SECRETS = {"API_TOKEN": TOKEN, "PEM": f"-----BEGIN PRIVATE KEY-----\n{LINE}\n-----END-----"}
CALLS = ("answer", "error", "long", "structured", "progress", "read_resource", "complaint")


def play(asked: Asked) -> Turn:
    if asked.turn < len(CALLS):
        return Turn(calls=(Call(f"telling_{CALLS[asked.turn]}"),))
    told = json.dumps(asked.body)
    return Turn(text="It was told." if TOKEN in told or LINE in told else "It was not told.")


def answers(server: ServerProcess, server_id: str) -> Iterator[tuple[str, str]]:
    """What the API says of the server and of its tools, each with where."""
    with httpx2.Client(base_url=server.url, timeout=20) as client:
        for path in ("", "/resources", "/prompts"):
            yield path, client.get(f"/api/mcp/{server_id}{path}").text
        yield "prompt", client.post(f"/api/mcp/{server_id}/prompts/prompt", json={}).text
        for path in ("/api/mcp", "/api/tools", "/api/audit"):
            yield path, client.get(path).text


@requirement("mcp:registry:secrets")
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_server_that_tells_its_secrets_tells_them_to_nobody(tmp_path: Path) -> None:
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        stdio = {"command": sys.executable, "args": [TELLING], "env": SECRETS}
        body: dict[str, Any] = {"name": "telling", "transport": {"stdio": stdio}}
        id_ = httpx2.post(f"{server.url}/api/mcp", json=body, timeout=20).json()["id"]
        task = server.submit("Tell.", key="1")
        ended = server.wait_for(task)
        assert ended["result"] == "It was not told."
        records = server.records(task)
        said = {r["event"]["name"]: r["event"] for r in records if "outcome" in r["event"]
                and r["event"]["type"] == "tool.returned"}  # fmt: skip
        assert {name: event["outcome"] for name, event in said.items()} == {
            f"telling_{name}": "failed" if name in ("answer", "error", "complaint") else "ok"
            for name in CALLS
        }
        assert '"API_TOKEN": "****"' in said["telling_answer"]["content"]
        assert "It refused: " in said["telling_error"]["content"]
        assert "exit code 1" in said["telling_complaint"]["content"]
        seen = dict(answers(server, id_))
        assert all("****" in seen[path] for path in ("", "/resources", "/prompts", "prompt"))
        seen |= {"task": json.dumps(ended), "log": server.output(), "events": json.dumps(records)}
        kept = [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]
        assert kept
        seen |= {path.name: path.read_text() for path in kept}
        told = [where for where, text in seen.items() if TOKEN in text or LINE in text]
        assert not told
