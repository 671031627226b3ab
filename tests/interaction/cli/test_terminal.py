import re
import signal

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement
from tests.running import running as processes

pytestmark = pytest.mark.timeout(60)

CTRL_C = b"\x03"
STYLES = re.compile(r"\x1b\[[0-9;]*m")


@requirement("cli:run:follows")
def test_a_terminal_gets_colours_and_a_pipe_does_not(served: Cli) -> None:
    with served.started("run", "work exit 3", on_terminal=True) as running:
        assert running.ended() == 0
    assert "\x1b[1;31m" in running.output
    assert "\x1b[1;32m✓ succeeded" in running.output
    plain = Cli(served.home, served.model_url, {"NO_COLOR": "1"})
    with plain.started("run", "work exit 3", on_terminal=True) as running:
        assert running.ended() == 0
    assert "\x1b[1;3" not in running.output


@requirement("cli:run:follows")
def test_lines_are_broken_between_words_and_a_command_is_not(served: Cli) -> None:
    narrow = Cli(served.home, served.model_url, {"COLUMNS": "50", "NO_COLOR": "1"})
    words = "some words that are many more than fifty columns can hold"
    for task, line in (
        (f"say {words}", "some words that are many more than fifty columns\ncan hold\n"),
        (f"work echo {words}", f"$ echo {words}\n"),
        (f"work echo {words}", "  │ some words that are many more than fifty\n  │ columns can"),
    ):
        with narrow.started("run", task, on_terminal=True) as running:
            assert running.ended() == 0
        assert line in STYLES.sub("", running.output).replace("\r\n", "\n")


@requirement("cli:output:harmless")
def test_nothing_from_outside_reaches_the_terminal_as_a_command(served: Cli) -> None:
    for args in (["run", "evil"], ["run", "--quiet", "evil"], ["run", "--json", "evil"]):
        with served.started(*args, on_terminal=True) as running:
            assert running.ended() == 0
        assert "words" in running.output
        assert "owned\x07" not in running.output
        assert not {"\x07", "\x08", "\x9b"} & set(running.output)
        assert "\x1b[2J" not in running.output
        assert "\x1b]0" not in running.output


@requirement("cli:run:interrupt")
def test_ctrl_c_asks_and_a_second_one_stops_the_run(served: Cli) -> None:
    with served.started("run", "work echo begun; sleep 987", on_terminal=True) as running:
        running.until("│ begun")
        running.press(CTRL_C)
        running.until("Stop the run?")
        assert processes("sleep 987")
        running.press(CTRL_C)
        assert running.ended() == 4
    assert "■ cancelled" in running.output
    assert processes("sleep 987") == []


@requirement("cli:run:interrupt")
def test_ctrl_c_and_enter_leave_the_run_to_go_on(served: Cli) -> None:
    with served.started("run", "work echo begun; sleep 60", on_terminal=True) as running:
        running.until("│ begun")
        running.press(CTRL_C)
        running.until("Stop the run?")
        running.press(b"\n")
        assert running.ended() == 130
    assert "left to go on" in running.output
    task = served.json("tasks")[0]
    assert task["status"] == "running"
    served.call("stop", task["id"])


@requirement("cli:run:interrupt")
def test_ctrl_c_and_c_go_on_watching(served: Cli) -> None:
    with served.started("run", "work echo begun; sleep 1; echo ended", on_terminal=True) as running:
        running.until("│ begun")
        running.press(CTRL_C)
        running.until("Stop the run?")
        running.press(b"c\n")
        assert running.ended() == 0
    assert "│ ended" in running.output


@requirement("cli:run:interrupt")
def test_ctrl_c_leaves_a_run_that_is_only_followed(served: Cli) -> None:
    task_id = served.call("run", "--detach", "work echo begun; sleep 60").stdout.strip()
    with served.started("follow", task_id, on_terminal=True) as running:
        running.until("│ begun")
        running.press(CTRL_C)
        assert running.ended() == 130
    assert served.json("tasks")[0]["status"] == "running"
    served.call("stop", task_id)


@requirement("cli:run:interrupt")
def test_ctrl_c_stops_a_run_of_this_process_too(alone: Cli) -> None:
    with alone.started("run", "work echo begun; sleep 876", on_terminal=True) as running:
        running.until("│ begun")
        running.press(CTRL_C)
        running.until("Stop the run?")
        running.press(CTRL_C)
        assert running.ended() == 4
    assert processes("sleep 876") == []


@requirement("cli:run:interrupt")
def test_where_nobody_can_be_asked_ctrl_c_stops_the_run(served: Cli) -> None:
    with served.started("run", "work echo begun; sleep 60") as running:
        running.until("│ begun")
        running.process.send_signal(signal.SIGINT)
        assert running.ended() == 4


@requirement("cli:run:follows")
def test_what_takes_long_is_said_to_go_on(served: Cli) -> None:
    with served.started("run", "work sleep 2", on_terminal=True) as running:
        running.until("$ sleep 2 (1 s)")
        assert running.ended() == 0
