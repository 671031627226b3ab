"""What commands can see of the server that started them."""

import os
import sys
from pathlib import Path

import pytest

from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess

WITHOUT_THE_RIGHTS_OF_ROOT = """
import ctypes, os, sys
PR_CAPBSET_DROP = 24
for right in range(64):
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Those of looking into every process among them; another user has none in the first place."""
LOOK = """
for one in /proc/[0-9]*; do
    tr '\\0' '\\n' < $one/environ | grep -s ^TAVILY_API_KEY=canary && echo in $one
done
echo looked
"""


@pytest.mark.timeout(60)
def test_a_command_cannot_read_the_servers_environment(tmp_path: Path) -> None:
    def play(asked: Asked) -> Turn:
        if asked.turn:
            return Turn(text="Done.")
        return Turn(calls=(Call("run_command", {"command": f"exec 2>/dev/null; {LOOK}"}),))

    through = (sys.executable, "-c", WITHOUT_THE_RIGHTS_OF_ROOT) if os.geteuid() == 0 else ()
    settings = {"TAVILY_API_KEY": "canary-55"}
    with (
        ScriptedServer(play) as model,
        ServerProcess(
            tmp_path / "data", tmp_path / "work", model.base_url, settings, through=through
        ) as server,
    ):
        task = server.submit("Look.", key="1")
        assert server.wait_for(task)["status"] == "completed"
        [said] = [
            record["event"]["content"]
            for record in server.records(task)
            if record["event"]["type"] == "tool.returned"
        ]
    assert "looked" in said
    assert "canary-55" not in said
