"""`demo`, as a newcomer sees it: the loop, the real tools, a real repository."""

import subprocess
from pathlib import Path

from open_agent.core.run import Outcome
from open_agent.events.model.model_call import ModelAnswered
from open_agent.events.model.tool import ToolReturned
from open_agent.scripted.demo import COMMIT_MESSAGE, FOLDER, demo
from open_agent.tools.edit_file import edit_file
from open_agent.tools.git.git_commit import git_commit
from open_agent.tools.read_file import read_file
from open_agent.tools.run_command import run_command
from open_agent.tools.write_file import write_file
from tests.interaction.agent.rig import rig

TOOLS = (read_file, write_file, edit_file, run_command, git_commit)


async def test_the_demonstration_does_real_work(tmp_path: Path) -> None:
    async with rig(tmp_path, demo(0), tools=TOOLS) as made:
        ended = await made.run("Show me.")
        folder = made.workspace / FOLDER
    assert (ended.end.outcome, ended.end.reason) == (Outcome.SUCCEEDED, "done")
    assert COMMIT_MESSAGE in ended.end.result
    failing, passing = (
        event
        for event in ended.events(ToolReturned)
        if event.name == "run_command" and "Ran 2 tests" in event.content
    )
    assert (failing.exit_code, passing.exit_code) == (1, 0)
    assert [event.outcome for event in ended.events(ToolReturned)].count("ok") >= 8
    assert len(ended.events(ModelAnswered)) == 10
    assert git(folder, "log", "--format=%s") == f"{COMMIT_MESSAGE}\n"
    assert git(folder, "status", "--porcelain") == ""
    assert "% 3600 // 60" in (folder / "duration.py").read_text()


async def test_the_demonstration_begins_anew_in_a_second_run(tmp_path: Path) -> None:
    async with rig(tmp_path, demo(0), tools=TOOLS) as made:
        first = await made.run("Show me.")
        await made.say(first.mission_id, "Again, please.", "queue")
        await made.work(first.mission_id)
        folder = made.workspace / f"{FOLDER}-2"
        await made.look_at(first.mission_id)
    assert git(folder, "log", "--format=%s") == f"{COMMIT_MESSAGE}\n"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode()
