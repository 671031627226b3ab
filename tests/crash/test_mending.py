"""The first task that everybody tries, on each backend: seen whole, and through every kill.

Each process is killed in turn, at moments of the story: while a reply is written, in a command,
between two steps, while a person is asked, and while the run is taken up again.
"""

import json
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.scripted.server import ScriptedServer
from tests.crash.mending import (
    MENDED,
    TASK,
    check_effects,
    check_repository,
    make_repository,
    play,
)
from tests.crash.server_process import ServerProcess
from tests.crash.standing import StandingOpenCode
from tests.crash.test_opencode_kill import PATIENCE, check, events, until
from tests.interaction.cli.rig import Cli
from tests.programs import opencode

pytestmark = [pytest.mark.timeout(400)]

Json = dict[str, Any]
MANAGED = {"OPENCODE_MANAGED": "true", "OPENCODE_PROGRAM": opencode()}
PRICES = {"MODEL_PRICES": json.dumps({"scripted/model": {"input": 10, "output": 10}})}
ASKING = {"APPROVALS": json.dumps([{"action": "ask", "command": "*git commit*"}])}


@dataclass
class Place:
    """A server, its OpenCode, and the repository."""

    server: ServerProcess
    work: Path
    standing: StandingOpenCode | None = None

    def kill(self, who: str) -> None:
        """Kill some of it; what nobody starts again by itself is started again."""
        if "server" in who:
            self.server.kill()
        if "opencode" in who and self.standing is not None:
            self.standing.kill()
            self.standing.start()
        elif "opencode" in who:
            os.kill(self._managed(), signal.SIGKILL)
        if "server" in who:
            self.server.start()

    def _managed(self) -> int:
        """The OpenCode that works in its own home; it may just be starting."""
        found: list[int] = []

        def look() -> bool:
            found[:] = _working_in(self.server.data_dir / "opencode" / "home")
            return bool(found)

        until(look, "OpenCode runs")
        return found[0]


def _working_in(folder: Path) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found += [int(entry.name)] if "opencode" in str((entry / "exe").readlink()) else []
        except OSError:
            continue
    return found


@contextmanager
def place(tmp_path: Path, kind: str, settings: dict[str, str]) -> Generator[Place]:
    """A server with the backend of a kind."""
    work = make_repository(tmp_path / "work")
    with ScriptedServer(play) as model:
        url = model.base_url
        if kind != "attached":
            settings = settings | (MANAGED if kind == "managed" else {})
            with ServerProcess(tmp_path / "data", tmp_path / "work", url, settings) as server:
                yield Place(server, work)
            return
        with StandingOpenCode(tmp_path / "opencode", url) as standing:
            settings = settings | {"OPENCODE_BASE_URL": standing.url}
            with ServerProcess(tmp_path / "data", tmp_path / "work", url, settings) as server:
                yield Place(server, work, standing)


def check_shown(log: list[Json]) -> None:
    """Every step can be seen, with what was called and what came of it."""
    commands = [str(event["arguments"]) for event in log if event["type"] == "tool.called"]
    for word in ("echo try-", "adding.py", "echo test-", "git commit"):
        assert any(word in each for each in commands), word
    outputs = [event["content"] for event in log if event["type"] == "tool.returned"]
    assert any("AssertionError" in each for each in outputs)
    assert any("passed" in each for each in outputs)


def check_end(log: list[Json]) -> None:
    """It ended well, and what it cost is recorded."""
    [ended] = [event for event in log if event["type"] == "run.finished"]
    assert (ended["outcome"], ended["result"]) == ("succeeded", MENDED)
    assert ended["cost_microdollars"] > 0
    assert ended["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("kind", ["native", "managed", "attached"])
@pytest.mark.parametrize("way", ["api", "cli"])
def test_the_task_is_done_and_every_step_is_seen(tmp_path: Path, kind: str, way: str) -> None:
    with place(tmp_path, kind, PRICES) as here:
        if way == "api":
            mission_id = here.server.submit(TASK, key="one", working_dir=str(here.work))
        else:
            cli = Cli(tmp_path, "", here.server.environment())
            with cli.started("run", TASK, "--dir", str(here.work)) as running:
                assert running.ended(PATIENCE) == 0
            assert MENDED in running.output
            [mission_id] = cli.task_ids()
        ended = here.server.wait_for(mission_id, seconds=PATIENCE)
        log = events(here.server, mission_id)

    assert (ended["status"], ended["result"]) == ("completed", MENDED)
    check(log)
    check_shown(log)
    check_end(log)
    check_repository(here.work)
    check_effects(here.work, log)


def has(kind: str, **fields: str) -> Callable[[list[Json]], bool]:
    """Whether an event of a kind is on a log, with these words in its fields."""

    def found(log: list[Json]) -> bool:
        return any(
            event["type"] == kind
            and all(word in str(event.get(name)) for name, word in fields.items())
            for event in log
        )

    return found


MOMENTS = {
    "a reply is written": has("model.asked"),
    "a command runs": has("tool.called"),
    "a file is written": has("tool.returned", name="write"),
    "a person is asked": has("answer.requested"),
}


@pytest.mark.parametrize(
    ("kind", "victims"),
    [
        ("native", ["server"]),
        ("managed", ["opencode", "server"]),
        ("attached", ["server", "opencode", "server and opencode"]),
    ],
)
def test_each_process_is_killed_in_turn_and_the_task_is_done(
    tmp_path: Path, kind: str, victims: list[str]
) -> None:
    with place(tmp_path, kind, PRICES | ASKING) as here:
        mission_id = here.server.submit(TASK, key="one", working_dir=str(here.work))

        def log() -> list[Json]:
            return events(here.server, mission_id)

        for number, (moment, is_now) in enumerate(MOMENTS.items()):
            until(lambda is_now=is_now: is_now(log()), moment)
            here.kill(victims[number % len(victims)])
            if number % 2:  # and again, while it is taken up
                here.kill(victims[(number + 1) % len(victims)])
        until(lambda: has("run.finished")(log()) or allow(here.server), "it ends")
        found = log()

    check(found)
    check_end(found)
    check_repository(here.work)
    check_effects(here.work, found)


def allow(server: ServerProcess) -> bool:
    """Allow what is asked; false, for there is more to come."""
    for question in server.get("/api/control/questions"):
        body = {"tool_call_id": question["tool_call_id"], "name": "-", "result": "allow"}
        # What it asks about may be gone by now.
        httpx2.post(f"{server.url}/api/control/tool_result", json=body, timeout=20)
    return False
