"""Kills the log at every point of its work: nothing acknowledged is lost, nothing is done twice.

The harness runs in a process of its own, which forks before it has any thread.
`OPEN_AGENT_CRASH_KILLS` says how often it kills; `python -m tests.crash.run 10000` is the long
form.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.crash.planted import PLANTED

KILLS = int(os.environ.get("OPEN_AGENT_CRASH_KILLS", "1000"))
LOOP_KILLS = int(os.environ.get("OPEN_AGENT_LOOP_KILLS", "120"))
ENOUGH_TO_FIND = 150
ROWS_DIFFER = "Rows do not follow from the log"
STAGES = ("before", "acknowledged", "told")


@pytest.mark.timeout(300)
def test_no_kill_of_the_agent_loop_loses_an_event_or_repeats_an_effect(tmp_path: Path) -> None:
    report = campaign(LOOP_KILLS, MEMORY if MEMORY.is_dir() else tmp_path, "--loop")

    assert report["problems"] == []
    assert report["kills"] >= LOOP_KILLS


def campaign(kills: int, folder: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.crash.run", str(kills), "--folder", str(folder)]
    done = subprocess.run(
        [*command, *options],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout, done.stderr.decode()
    return json.loads(done.stdout)


MEMORY = Path("/dev/shm")
"""A kill is no power cut: what the process wrote is there, whether or not the disk has it."""


@pytest.mark.timeout(600)
def test_no_kill_loses_an_event_or_repeats_an_effect(tmp_path: Path) -> None:
    report = campaign(KILLS, MEMORY if MEMORY.is_dir() else tmp_path)

    assert report["problems"] == []
    assert report["kills"] >= KILLS
    if KILLS >= 1000:
        deaths = set(report["deaths"])
        assert {"opening", "opened", "a random time", "effect:before", "effect:after"} <= deaths
        assert {"writer:begin", "writer:commit", "writer:committed"} <= deaths
        appends = ["open", "external"]
        appends += [f"append:{type_}" for type_ in ("run.started", "model.asked", "tool.called")]
        appends += [f"append:{type_}" for type_ in ("tool.returned", "run.finished")]
        assert {f"{name}:{stage}" for name in appends for stage in STAGES} <= deaths
        for name in ("fork", "delete"):  # each happens once in a history
            assert {f"{name}:{stage}" for stage in STAGES} & deaths


def test_the_same_holds_on_a_disk(tmp_path: Path) -> None:
    report = campaign(50, tmp_path)

    assert report["problems"] == []


@pytest.mark.parametrize("bug", sorted(PLANTED.keys() - {"nothing"}))
def test_the_checker_finds_a_planted_bug(bug: str, tmp_path: Path) -> None:
    report = campaign(ENOUGH_TO_FIND, tmp_path, "--planted", bug)

    assert report["problems"] != []
    # What fails in a life is that rows do not follow from the log; anything else is an accident.
    accidents = [p for p in report["problems"] if "a life failed" in p and ROWS_DIFFER not in p]
    assert accidents == []
