import json
import subprocess
from pathlib import Path

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.timeout(60)


@requirement("cli:run:follows")
def test_a_task_is_followed_from_its_words_to_its_outcome(served: Cli) -> None:
    ended = served.call("run", "work echo out; echo err >&2; exit 3")
    story = ended.stdout
    assert "\x1b" not in story + ended.stderr
    places = [
        story.index(part)
        for part in ("› work echo", "scripted · budget", "I look.", "$ echo out", "All done.")
    ]
    assert places == sorted(places)
    assert "  │ out\n" in story
    assert "  │ err\n" in story
    assert "  ✗ exit 3 · " in story
    assert story.splitlines()[-1].startswith("✓ succeeded · 2 steps · ")
    assert ended.stderr.startswith("Task ")


@requirement("cli:run:follows")
@pytest.mark.parametrize(("task", "code"), [("say hi", 0), ("fail", 1), ("exhaust", 3)])
def test_the_exit_code_says_how_the_run_ended(served: Cli, task: str, code: int) -> None:
    served.call("run", task, code=code)


@requirement("cli:exits:documented")
def test_a_run_that_is_stopped_elsewhere_exits_with_4(served: Cli) -> None:
    with served.started("run", "work echo begun; sleep 60") as running:
        running.until("begun")
        served.call("stop", served.task_ids()[0][:8])
        assert running.ended() == 4
        assert "■ cancelled" in running.output


@requirement("cli:exits:documented")
@pytest.mark.parametrize(
    "args",
    [
        ["run"],
        ["run", " "],
        ["run", "x", "--model", " \x07"],
        ["run", "x", "--backend", "nobody"],
        ["message", "new", "x", "--backend", "opencode"],
        ["run", "x", "--url", "nowhere"],
        ["run", "x", "--env-file", "/nowhere/.env"],
        ["show", "00000000-0000-4000-8000-000000000000"],
    ],
)
def test_wrong_usage_and_refused_requests_exit_with_2(served: Cli, args: list[str]) -> None:
    ended = served.call(*args, code=2)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


@requirement("cli:exits:documented")
@pytest.mark.parametrize("command", [["tasks"], ["run", "x", "--detach"], ["stop", "abcd"]])
def test_without_a_server_the_exit_code_is_5(alone: Cli, command: list[str]) -> None:
    url = "http://127.0.0.1:9"
    ended = alone.call(*command, "--url", url, code=5)
    assert ended.stderr.startswith(f"Error: No server answers at {url}.")


@requirement("cli:run:json")
def test_json_is_the_events_as_the_server_sends_them_and_nothing_else(served: Cli) -> None:
    ended = served.call("run", "--json", "work echo hi")
    assert ended.stderr == ""
    records = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert records[0]["event"]["type"] == "mission.created"
    assert records[-1]["event"]["outcome"] == "succeeded"
    shown = served.call("show", records[0]["mission_id"], "--json").stdout
    assert [json.loads(line) for line in shown.splitlines()] == records


@requirement("cli:run:json")
def test_quiet_prints_the_result_alone(served: Cli) -> None:
    ended = served.call("run", "-q", "work true")
    assert (ended.stdout, ended.stderr) == ("All done.\n", "")


@requirement("cli:run:follows")
def test_a_detached_run_is_followed_later(served: Cli) -> None:
    task_id = served.call("run", "--detach", "work echo hello").stdout.strip()
    ended = served.call("follow", task_id[:8])
    assert "  │ hello\n" in ended.stdout
    assert "✓ succeeded" in ended.stdout


@requirement("cli:run:follows")
def test_a_task_can_come_from_standard_input(served: Cli) -> None:
    assert served.call("run", "-q", "-", stdin="say from a pipe\n").stdout == "from a pipe\n"
    served.call("run", "-", stdin="\n", code=2)


@requirement("cli:run:follows")
def test_a_task_that_is_not_utf8_is_handed_over_all_the_same(served: Cli) -> None:
    assert served.call("run", "-q", "say caf\udce9").stdout == "caf\ufffd\n"


@requirement("cli:run:follows")
def test_a_task_works_where_it_is_told_to(served: Cli, tmp_path: Path) -> None:
    served.call("run", "work touch here", "--dir", str(tmp_path / "deep"))
    assert (tmp_path / "deep" / "here").exists()


@requirement("cli:run:in-process")
def test_without_a_server_the_command_is_one_until_the_run_ends(alone: Cli) -> None:
    ended = alone.call("run", "work echo alone")
    assert "No server runs" in ended.stderr
    assert "  │ alone\n" in ended.stdout
    assert not (alone.data_dir / "server.json").exists()
    with alone.server():
        assert alone.call("show", alone.task_ids()[0]).stdout == ended.stdout


@requirement("cli:run:in-process")
def test_others_see_a_server_of_one_run_and_give_it_no_task(alone: Cli) -> None:
    with alone.started("run", "work echo begun; sleep 60") as running:
        running.until("begun")
        refused = alone.call("run", "say hi", code=1)
        assert "Another `open-agent run`" in refused.stderr
        alone.call("stop", alone.task_ids()[0])
        assert running.ended() == 4


@requirement("cli:run:follows")
def test_a_reader_that_closes_early_does_no_harm(served: Cli) -> None:
    with served.started("run", "--json", "work seq 100") as running:
        running.until("mission.created")
    shell = subprocess.run(
        ["bash", "-c", f"{' '.join(served.call_line('tasks'))} | head -1"],
        env=served.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout.startswith("ID")
    assert shell.stderr == ""
