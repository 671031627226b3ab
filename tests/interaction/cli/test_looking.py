import json
import re
import sys
from pathlib import Path

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement

pytestmark = pytest.mark.timeout(60)


@requirement("cli:tasks:listed")
def test_tasks_are_listed_newest_first_and_paged(served: Cli) -> None:
    for number in range(3):
        served.call("run", "-q", f"say {number}")
    listed = served.call("tasks", "--limit", "2").stdout.splitlines()
    assert [line.split()[-1] for line in listed] == ["TASK", "2", "1"]
    assert "succeeded" in listed[1]
    tasks = served.json("tasks", "--limit", "2")
    assert [task["task"] for task in tasks] == ["say 2", "say 1"]


@requirement("cli:tasks:listed")
def test_a_task_is_named_by_the_beginning_of_its_id(served: Cli) -> None:
    served.call("run", "-q", "say hello")
    task_id = served.task_ids()[0]
    assert "say hello" in served.call("show", task_id[:8]).stdout
    assert "at least 4" in served.call("show", task_id[:2], code=2).stderr
    assert "No task" in served.call("show", "zzzzzz", code=2).stderr


@requirement("cli:tasks:listed")
def test_long_output_is_folded_and_shown_whole_on_request(served: Cli) -> None:
    served.call("run", "work seq 1 100")
    task_id = served.task_ids()[0][:8]
    folded = served.call("show", task_id).stdout
    assert f"`open-agent show {task_id} --full` shows all" in folded
    assert "│ 50\n" not in folded
    assert "│ 50\n" in served.call("show", task_id, "--full").stdout


@requirement("cli:tasks:listed")
def test_the_record_can_be_read_where_no_server_runs(alone: Cli) -> None:
    assert "No server answers" in alone.call("tasks", code=5).stderr
    assert not alone.data_dir.exists()
    ran = alone.call("run", "work echo alone")
    assert "work echo alone" in alone.call("tasks").stdout
    assert alone.call("show", alone.task_ids()[0][:8]).stdout == ran.stdout


@requirement("cli:tasks:listed")
def test_reading_the_record_takes_nothing_up(alone: Cli) -> None:
    with alone.started("run", "work sleep 60") as running:
        running.until("$ sleep 60")
        running.process.kill()
        running.ended()
    before = alone.call("show", alone.task_ids()[0], "--json").stdout
    shown = alone.call("show", alone.task_ids()[0])
    assert "It has not ended" in shown.stderr
    assert alone.call("show", alone.task_ids()[0], "--json").stdout == before


@requirement("cli:tasks:listed")
def test_a_task_that_has_ended_cannot_be_stopped(served: Cli) -> None:
    served.call("run", "-q", "say hello")
    assert "has ended" in served.call("stop", served.task_ids()[0], code=1).stderr


@requirement("cli:config:origins")
def test_config_says_where_each_value_came_from_and_hides_secrets(alone: Cli) -> None:
    alone.data_dir.mkdir()
    secret = "sk-or-v1-" + "5" * 40
    (alone.data_dir / ".env").write_text(f"OPENROUTER_API_KEY={secret}\nMAX_ITERATIONS=9\n")
    rows = {row["name"]: (row["value"], row["origin"]) for row in alone.json("config")}
    assert rows["MAX_ITERATIONS"] == ("3", "environment")
    assert rows["OPENROUTER_API_KEY"] == ("****5555", f"{alone.data_dir / '.env'}:1")
    assert rows["HOST"] == ("127.0.0.1", "default")
    shown = alone.call("config").stdout
    assert secret not in shown
    assert "****5555" in shown


@requirement("cli:config:origins")
def test_wrong_settings_are_all_named_at_once(alone: Cli) -> None:
    wrong = Cli(alone.home, alone.model_url, {"PORT": "http", "HOST": "no host"})
    for command in (["config"], ["serve"], ["run", "x"], ["tasks"]):
        ended = wrong.call(*command, code=2)
        assert "PORT=http" in ended.stderr
        assert "HOST=no host" in ended.stderr


@requirement("cli:doctor:mends")
def test_doctor_finds_a_healthy_place_healthy(served: Cli, alone: Cli) -> None:
    expected = {"settings", "data", "work", "secrets", "database", "server"}
    expected |= {"ripgrep", "git", "bash", "desktop", "browser", "key", "model", "budget", "disk"}
    for cli, more in ((served, {"room"}), (alone, set[str]())):
        levels = {found["name"]: found["level"] for found in cli.json("doctor")}
        assert set(levels) == expected | more
        assert set(levels.values()) == {"OK"}
        cli.call("doctor")


@requirement("cli:doctor:mends")
def test_doctor_says_what_is_wrong_and_how_to_mend_it(alone: Cli) -> None:
    alone.data_dir.mkdir(mode=0o755)
    (alone.data_dir / "open-agent.db").write_bytes(b"no database at all" * 400)
    rg_only = Path(sys.executable).parent
    sick = Cli(
        alone.home,
        "http://127.0.0.1:9/v1",
        {"PATH": str(rg_only), "DEFAULT_BUDGET_CENTS": "0"},
    )
    ended = sick.call("doctor", code=1)
    found = {
        line.split()[1]: line.split()[0] for line in ended.stdout.splitlines() if line[0] != " "
    }
    assert {name for name, level in found.items() if level == "FAIL"} == {
        "database",
        "git",
        "bash",
        "endpoint",
    }
    assert {name for name, level in found.items() if level == "warn"} == {
        "secrets",
        "desktop",
        "browser",
        "budget",
    }
    assert ended.stdout.count("→") == 8


@requirement("cli:doctor:mends")
def test_doctor_says_when_the_server_works_on_another_folder(alone: Cli) -> None:
    with Cli(alone.home / "other", alone.model_url, {"DEV_MODE": "true"}).server() as server:
        port = re.findall(r"http://127.0.0.1:(\d+)", server.output)[0]
        found = Cli(alone.home, alone.model_url, {"PORT": port}).call("doctor").stdout
    assert f"open-agent doctor --data-dir {alone.home}/other/data" in found


@requirement("cli:doctor:mends")
def test_doctor_names_wrong_settings_and_unknown_models(alone: Cli) -> None:
    wrong = Cli(alone.home, alone.model_url, {"PORT": "http"})
    assert "PORT=http" in wrong.call("doctor", code=1).stdout
    unknown = Cli(alone.home, alone.model_url, {"DEFAULT_MODEL": "gpt-0"})
    findings = json.loads(unknown.call("doctor", "--json", code=1).stdout)
    assert [found["name"] for found in findings if found["level"] == "FAIL"] == ["model"]


@requirement("backends:health")
def test_doctor_looks_at_the_opencode_of_the_settings(alone: Cli) -> None:
    def opencode(**settings: str) -> dict[str, str]:
        ended = Cli(alone.home, alone.model_url, settings).call("doctor", "--json", code=None)
        (found,) = [each for each in json.loads(ended.stdout) if each["name"] == "opencode"]
        return found

    nobody = opencode(OPENCODE_BASE_URL="http://127.0.0.1:9")
    assert (nobody["level"], "opencode.unreachable" in nobody["text"]) == ("FAIL", True)
    assert "OPENCODE_BASE_URL" in nobody["mend"]
    alone.home.mkdir(exist_ok=True)
    served = Cli(alone.home, alone.model_url, {"OPENCODE_BASE_URL": "http://127.0.0.1:9"})
    with served.server():  # It says the same, which is not said twice.
        again = opencode(OPENCODE_BASE_URL="http://127.0.0.1:9")
    assert again == nobody
    for version, level in (("1.18.33", "OK"), ("2.0.1", "FAIL"), ("what?", "FAIL")):
        program = alone.home / "opencode"
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
        found = opencode(OPENCODE_MANAGED="true", OPENCODE_PROGRAM=str(program))
        assert (found["level"], bool(found["mend"])) == (level, level == "FAIL"), found


@requirement("cli:completion:installed")
def test_the_shell_completes_commands(alone: Cli) -> None:
    env = {
        "_OPEN_AGENT_COMPLETE": "complete_bash",
        "COMP_WORDS": "open-agent do",
        "COMP_CWORD": "1",
    }
    asking = Cli(alone.home, alone.model_url, env)
    assert asking.call(code=None).stdout.split() == ["doctor"]


@requirement("cli:serve:says")
def test_serve_says_what_it_uses_and_stops_in_good_order(alone: Cli) -> None:
    demo = Cli(alone.home, alone.model_url, {"DEFAULT_MODEL": "demo"})
    with demo.server() as server:
        assert "http://127.0.0.1:" in server.output
        assert "OPENROUTER_API_KEY" in server.output
        assert str(demo.data_dir) in server.output
        second = demo.call("serve", code=1)
        assert "in use" in second.stderr
        server.process.terminate()
        assert server.ended() == 0
        assert "Stopping" in server.output
    assert not (demo.data_dir / "server.json").exists()
