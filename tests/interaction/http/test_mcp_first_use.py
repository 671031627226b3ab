"""The first uses of MCP in the life of a server: what speaks it is imported then, and only once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess
from tests.interaction.http.mcp_client import HEADERS, INITIALIZE
from tests.interaction.http.test_mcp_registry import SMALL
from tests.interaction.requirements import requirement


def play(asked: Asked) -> Turn:
    """Use the server's tool, and tell what came of it."""
    if asked.turn == 0:
        return Turn(calls=(Call("small_add", {"a": 40, "b": 2}),))
    return Turn(text=str(asked.messages[-1]["content"]))


@requirement("mcp:first-use")
@pytest.mark.timeout(60)
def test_a_mission_and_clients_that_need_mcp_first_at_once_all_get_it(tmp_path: Path) -> None:
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
        ThreadPoolExecutor(4) as clients,
    ):

        def connect(_: int) -> int:
            reply = httpx2.post(f"{server.url}/mcp", json=INITIALIZE, headers=HEADERS, timeout=30)
            return reply.status_code

        stdio = {"command": sys.executable, "args": [SMALL]}
        body = {"name": "small", "transport": {"stdio": stdio}}
        assert httpx2.post(f"{server.url}/api/mcp", json=body, timeout=20).status_code == 200
        task = server.submit("Add.", key="1")
        assert list(clients.map(connect, range(4))) == [200] * 4
        assert server.wait_for(task)["result"] == "42"
