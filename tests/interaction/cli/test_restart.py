import json
import signal

import pytest

from tests.interaction.cli.rig import Cli
from tests.interaction.requirements import requirement

pytestmark = [pytest.mark.timeout(90), pytest.mark.slow]


@requirement("cli:follow:restart")
def test_a_run_is_followed_exactly_across_a_kill_of_the_server(alone: Cli) -> None:
    with alone.server() as server:
        task_id = alone.call("run", "--detach", "slowly").stdout.strip()
        with alone.started("follow", "--json", task_id) as running:
            running.until("model.asked")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            running.until("Lost the server; reconnecting")
            with alone.server():
                assert running.ended(40) == 0
                shown = alone.call("show", task_id, "--json").stdout
    lines = [line for line in running.output.splitlines() if line.startswith("{")]
    assert [json.loads(line) for line in lines] == [json.loads(s) for s in shown.splitlines()]
    assert "Connected again." in running.output


@requirement("cli:run:in-process")
def test_a_run_that_was_left_in_this_process_goes_on_at_the_next_start(alone: Cli) -> None:
    with alone.started("run", "work echo begun; sleep 2", on_terminal=True) as running:
        running.until("│ begun")
        running.press(b"\x03")
        running.until("Stop the run?")
        running.press(b"d\n")
        assert running.ended() == 130
    with alone.server():
        assert "✓ succeeded" in alone.call("follow", alone.task_ids()[0]).stdout
