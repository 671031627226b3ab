"""The task that everybody tries first: mend the failing test in this repository, and commit.

A model that plays it on either backend, looks around where it is told that work was cut off, and
says in each command which of its replies asked for it; a repository; and what must be so in the end.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from open_agent.scripted.script import Asked, Style, Turn
from tests.conformance.backends.rig import command, writing

TASK = "Mend the failing test in this repository, and commit."
MENDED = "The test passes, and it is committed."
BROKEN = "def add(a, b):\n    return a - b\n"
WHOLE = "def add(a, b):\n    return a + b\n"
TEST = "from adding import add\n\nassert add(2, 3) == 5\nprint('passed')\n"
LOOK = (
    "if [ $(git rev-list --count HEAD) -gt 1 ]; then echo STATE:committed;"
    " elif grep -q 'a + b' adding.py; then echo STATE:mended; else echo STATE:seen; fi"
)
RUN_TEST = "python3 -B test_adding.py"
STYLE = Style(delay=0.01)
Json = dict[str, Any]


def play(asked: Asked) -> Turn:
    """The next thing that a careful model would do."""
    if not asked.body.get("tools"):
        return Turn(text="A title")
    match _where(asked):
        case "lost":
            return _run(asked, "look", LOOK)
        case "begun":
            return _run(asked, "try", RUN_TEST)
        case "seen":
            calls = (writing(asked, "adding.py", WHOLE),)
            return Turn(text="I mend it.", calls=calls, style=STYLE)
        case "mended":
            return _run(asked, "test", RUN_TEST)
        case "tested":
            return _run(asked, "commit", "git commit -qam 'Mend the sum'")
        case _:
            return Turn(text=MENDED, style=STYLE)


def _run(asked: Asked, name: str, line: str) -> Turn:
    """A command that leaves a mark when it begins and when it ends, in words of its own."""
    mark = f"{name}-{len(asked.messages)}"
    line = f"echo {mark} >> ../effects; {line}; sleep 0.3; echo {mark}-ended >> ../effects"
    return Turn(text=f"I {name}.", calls=(command(asked, line),), style=STYLE)


def _where(asked: Asked) -> str:
    """How far the work is, by what was said and answered."""
    where, calls = "begun", dict[str, str]()
    for message in asked.messages:
        text = str(message.get("content") or "")
        if message["role"] == "assistant":
            wanted: list[Json] = message.get("tool_calls") or []
            calls |= {call["id"]: call["function"]["arguments"] for call in wanted}
        elif message["role"] == "user" and "was cut off" in text:
            where = "lost"
        elif message["role"] == "tool":
            where = _after(calls.get(message["tool_call_id"], ""), text, where)
    return where


def _after(arguments: str, result: str, where: str) -> str:
    if "STATE:" in result:
        return result.partition("STATE:")[2].split()[0]
    if any(word in result.lower() for word in ("outcome unknown", "aborted", "interrupted")):
        return "lost"
    marks = {"echo try-": "seen", "return a + b": "mended", "echo commit-": "committed"}
    if "echo test-" in arguments:
        return "tested" if "passed" in result else where
    return next((after for mark, after in marks.items() if mark in arguments), where)


def make_repository(folder: Path) -> Path:
    """A repository with a test that fails; beside it, commands leave their marks."""
    work = folder / "repository"
    work.mkdir(parents=True)
    (work / "adding.py").write_text(BROKEN)
    (work / "test_adding.py").write_text(TEST)
    git(work, "init", "-q")
    git(work, "config", "user.name", "A person")
    git(work, "config", "user.email", "person@example.org")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "Begin")
    return work


def git(work: Path, *arguments: str) -> str:
    """What git says."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(work.parent)}
    ended = subprocess.run(
        ["git", *arguments], cwd=work, env=environment, check=True, capture_output=True, text=True
    )
    return ended.stdout


def check_repository(work: Path) -> None:
    """It is mended, by one commit and nothing else."""
    assert git(work, "log", "--format=%s").split("\n")[:2] == ["Mend the sum", "Begin"]
    assert git(work, "status", "--porcelain") == ""
    assert (work / "adding.py").read_text() == WHOLE


def check_effects(work: Path, log: list[Json]) -> None:
    """No command ran twice, and each that ran is on the log."""
    marks = (work.parent / "effects").read_text().split()
    assert len(set(marks)) == len(marks)
    called = json.dumps([event for event in log if event["type"] == "tool.called"])
    assert [mark for mark in marks if f"echo {mark} " not in called] == []
