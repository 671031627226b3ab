import re

import pytest

from open_agent.cli.exits import Exit, exit_of_error, exit_of_outcome
from open_agent.core.errors import Conflict, Invalid, NotFound, OpenAgentError, Unavailable
from open_agent.core.run import Outcome
from tests.sources import ROOT


def test_every_outcome_has_its_exit_code() -> None:
    assert {outcome: int(exit_of_outcome(outcome)) for outcome in Outcome} == {
        Outcome.SUCCEEDED: 0,
        Outcome.FAILED: 1,
        Outcome.EXHAUSTED: 3,
        Outcome.CANCELLED: 4,
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid("settings.invalid", ""), 2),
        (NotFound("task.not_found", ""), 2),
        (Conflict("task.not_running", ""), 1),
        (Unavailable("server.unreachable", ""), 5),
        (Unavailable("server.cannot_listen", ""), 1),
    ],
)
def test_every_error_has_its_exit_code(error: OpenAgentError, code: int) -> None:
    assert exit_of_error(error) == code


def test_the_guide_lists_every_exit_code() -> None:
    guide = (ROOT / "docs" / "guides" / "command-line.md").read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", guide, re.MULTILINE)}
    assert listed == {int(exit_) for exit_ in Exit}
