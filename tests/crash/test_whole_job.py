"""The main job, as a person does it: `curl` a task, and a real repository is mended and committed."""

import json
import subprocess
from pathlib import Path

import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from tests.crash.server_process import ServerProcess

BROKEN = "def add(a, b):\n    return a - b\n"
TEST = """\
import unittest
from calc import add

class AddTest(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(add(2, 3), 5)
"""
RUN_TESTS = "python3 -B -m unittest -v test_calc"
SLOWLY = Style(chunk_chars=4, delay=0.02)


def mend(asked: Asked) -> Turn:
    """Read, run the tests, mend, run again, commit."""
    steps = [
        Turn("I look at the code.", calls=(Call("read_file", {"path": "calc.py"}),)),
        Turn("I run the tests.", calls=(Call("run_command", {"command": RUN_TESTS}),)),
        Turn(
            "I mend it.",
            calls=(
                Call("edit_file", {"path": "calc.py", "old_text": "a - b", "new_text": "a + b"}),
            ),
            style=SLOWLY,
        ),
        Turn("Again.", calls=(Call("run_command", {"command": f"sleep 0.3; {RUN_TESTS}"}),)),
        Turn("Commit.", calls=(Call("git_commit", {"message": "Add in place of subtracting"}),)),
    ]
    return steps[asked.turn] if asked.turn < len(steps) else Turn("The tests pass; committed.")


def repository(path: Path) -> Path:
    path.mkdir()
    (path / "calc.py").write_text(BROKEN)
    (path / "test_calc.py").write_text(TEST)
    for command in (
        ["git", "init", "-q"],
        ["git", "add", "."],
        ["git", "-c", "user.name=T", "-c", "user.email=t@t", "commit", "-qm", "Start"],
    ):
        subprocess.run(command, cwd=path, check=True)
    return path


def curl(*arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("is_killed", [False, True], ids=["in one go", "killed in the middle"])
def test_a_task_by_curl_mends_a_repository_and_commits(tmp_path: Path, is_killed: bool):
    repo = repository(tmp_path / "repo")
    with (
        ScriptedServer(mend) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url) as server,
    ):
        body = json.dumps({"task": "Mend calc.py.", "working_dir": str(repo)})
        json_type = "Content-Type: application/json"
        answer = json.loads(curl("-d", body, "-H", json_type, f"{server.url}/api/task"))
        assert answer["status"] == "pending"
        task_url = f"/api/task/{answer['id']}"
        if is_killed:
            for record in server.follow(answer["id"], 0):
                if "sleep 0.3" in str(record["event"].get("arguments")):
                    break
            server.kill()
            server.start()
        stream = curl("-N", "--max-time", "40", f"{server.url}{task_url}/stream")
        task = server.get(task_url)
        again = curl("-N", "--max-time", "40", f"{server.url}{task_url}/stream")
    assert '"status":"completed"' in stream.rpartition("event: done")[2]
    assert stream == again
    assert (task["status"], task["result"]) == ("completed", "The tests pass; committed.")
    assert (repo / "calc.py").read_text() == BROKEN.replace("-", "+")
    subjects = subprocess.run(
        ["git", "log", "--format=%s"], cwd=repo, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert subjects[:2] == ["Add in place of subtracting", "Start"]
    status = subprocess.run(
        ["git", "status", "--short"], cwd=repo, capture_output=True, text=True, check=True
    ).stdout
    assert status == "", "something was left in the folder that the user named"
