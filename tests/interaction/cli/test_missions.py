import json
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Asked, Call, Turn
from open_agent.scripted.server import ScriptedServer
from tests.interaction.cli.rig import SECONDS, Cli
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.timeout(60)

CHOICE = {
    "title": "Which database?",
    "options": [{"id": "pg", "label": "PostgreSQL"}, {"id": "sl", "label": "SQLite"}],
    "selectionMode": "single",
}


def obey(asked: Asked) -> Turn:
    """Do what the newest message says: `do COMMAND`, `choose`, `delegate TASK`, or say it again."""
    newest = max(i for i, m in enumerate(asked.messages) if m["role"] == "user")
    word, _, rest = str(asked.messages[newest]["content"]).partition(" ")
    if newest == len(asked.messages) - 1 and word == "do":
        return Turn(text="I look.", calls=(Call("run_command", {"command": rest}),))
    if newest == len(asked.messages) - 1 and word == "choose":
        return Turn(calls=(Call("ui_optionList", CHOICE),))
    if newest == len(asked.messages) - 1 and word == "delegate":
        return Turn(calls=(Call("delegate", {"task": rest}),))
    return Turn(text=f"So much for {word}.")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cli]:
    """The command beside a server that asks about pushes."""
    rules = [{"action": "ask", "command": "git push*"}, {"action": "deny", "command": "rm *"}]
    with ScriptedServer(ScriptedModel(obey)) as model:
        home: Path = tmp_path_factory.mktemp("missions")
        cli = Cli(home, model.base_url, {"APPROVALS": json.dumps(rules)})
        with cli.server():
            yield cli


def begin(cli: Cli, text: str) -> str:
    """A new mission with its first message; the beginning of its id."""
    return str(cli.json("message", "new", text)["mission_id"])[:8]


@requirement("cli:missions:talked")
def test_a_mission_is_spoken_to_followed_and_listed(served: Cli) -> None:
    mission = begin(served, "hello")
    assert "So much for hello." in served.call("follow", mission).stdout
    served.call("message", mission, "-", stdin="once more")
    followed = served.call("follow", mission)
    assert "So much for once." in followed.stdout
    assert f"Mission {mission}" in followed.stderr
    shown = served.call("show", mission)
    assert shown.stdout == followed.stdout
    assert "It has not ended" not in shown.stderr
    listed = served.call("missions").stdout.splitlines()
    assert listed[1].split() == [mission, "active", "succeeded", "now", "hello"]
    assert [m["id"][:8] for m in served.json("missions", "--search", "once")] == [mission]
    assert "In no mission" in served.call("missions", "--search", "nowhere").stderr
    assert mission not in [task["id"][:8] for task in served.json("tasks")]


@requirement("cli:missions:talked")
def test_what_is_asked_is_shown_with_how_to_answer_and_answered(served: Cli) -> None:
    mission = begin(served, "do git push origin")
    with served.started("follow", mission) as follower:
        follower.until("? May this be done? (ask command `git push*`)")
        told = follower.until("waits for somebody to allow it")
        assert "$ git push origin" in told
        assert f"`open-agent answer {mission} allow` or `deny`" in told
        assert "waiting for an answer" in served.call("show", mission).stderr
        assert (
            "May this be done: $ git push origin" in served.call("answer", mission, code=2).stderr
        )
        assert "does not fit" in served.call("answer", mission, "perhaps", code=2).stderr
        served.call("answer", mission, "deny")
        assert follower.ended() == 0
    assert "› (answer) deny" in follower.output
    assert "So much for do." in follower.output
    assert "asks nothing now" in served.call("answer", mission, "allow", code=2).stderr


@requirement("cli:missions:talked")
def test_a_choice_is_shown_and_made(served: Cli) -> None:
    mission = begin(served, "choose")
    with served.started("follow", mission) as follower:
        told = follower.until("waits for an answer")
        assert "? Which database?" in told
        assert "pg  PostgreSQL" in told
        served.call("answer", mission, "pg")
        assert follower.ended() == 0


@requirement("cli:missions:talked")
def test_a_denied_call_is_shown_with_what_it_would_have_done(served: Cli) -> None:
    mission = begin(served, "do rm -rf x")
    followed = served.call("follow", mission).stdout
    assert "$ rm -rf x\n  │ Not allowed" in followed


@requirement("cli:missions:talked")
def test_a_stop_holds_what_waits_and_following_sees_it_all_carried_out(served: Cli) -> None:
    mission = begin(served, "do sleep 60")
    with served.started("follow", mission) as follower:
        follower.until("$ sleep 60")
        served.call("message", mission, "first")
        served.call("message", mission, "second")
        assert "2 waiting messages are held" in served.call("stop", mission).stderr
        assert follower.ended() == 4
    assert "2 held" in served.call("missions").stdout
    served.call("message", mission, "third", "--interrupt")
    followed = served.call("follow", mission).stdout
    assert "Now: first" in followed
    assert all(f"So much for {word}." in followed for word in ("first", "second", "third"))
    assert "is not running" in served.call("stop", mission, code=2).stderr


@requirement("cli:missions:talked")
def test_following_ends_when_the_run_has_taken_what_steers_it(served: Cli) -> None:
    is_sent = served.home / "is-sent"
    mission = begin(served, f"do until test -e {is_sent}; do sleep 0.1; done; echo late")
    with served.started("follow", mission) as follower:
        follower.until("$ until")
        served.call("message", mission, "faster", "--steer")
        is_sent.touch()
        assert follower.ended() == 0
    assert "› (steer) faster" in follower.output
    assert "Now: faster" not in follower.output


@requirement("cli:missions:talked")
def test_a_task_takes_no_messages_and_says_what_does(served: Cli) -> None:
    served.call("run", "-q", "hello")
    refused = served.call("message", served.task_ids()[0][:8], "more", code=2)
    assert "open-agent message new" in refused.stderr
    served.call("message", "new", "x", "--steer", "--interrupt", code=2)


@requirement("cli:missions:talked")
def test_what_a_delegated_part_asks_is_answered_by_the_mission_that_delegated(served: Cli) -> None:
    mission = begin(served, "delegate do git push part")
    with served.started("follow", mission) as follower:
        follower.until("delegate")
        deadline = time.monotonic() + SECONDS
        while "git push part is asked" not in served.call("show", mission).stderr:
            assert time.monotonic() < deadline
        served.call("answer", mission, "deny")
        assert follower.ended() == 0


@requirement("cli:missions:talked")
def test_the_question_of_a_task_is_answered_too(served: Cli) -> None:
    with served.started("run", "do git push task") as running:
        running.until("waits for somebody to allow it")
        served.call("answer", served.task_ids()[0][:8], "deny")
        assert running.ended() == 0
