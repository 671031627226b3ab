"""Exit codes: how a command ended, for scripts. `docs/guides/command-line.md` lists them."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from open_agent.core.errors import Invalid, NotFound, OpenAgentError, Refused, Unauthenticated

if TYPE_CHECKING:  # 70 ms for pydantic, which `--help` does not need
    from open_agent.core.run import Outcome

UNREACHABLE_CODE = "server.unreachable"
"""The error of a client whose server does not answer."""


class Exit(IntEnum):
    """What a command returns to the shell."""

    SUCCEEDED = 0
    """The run succeeded, or the command did what was asked."""
    FAILED = 1
    """The run failed, or the command could not do what was asked."""
    USAGE = 2
    """The command, its arguments or a setting is wrong; nothing was done."""
    EXHAUSTED = 3
    """The run used up its steps, its time or its budget."""
    CANCELLED = 4
    """The run was stopped."""
    UNREACHABLE = 5
    """No server answers."""
    INTERRUPTED = 130
    """Ctrl-C ended the command itself; what the server does goes on."""


_OUTCOMES: dict[str, Exit] = {
    "succeeded": Exit.SUCCEEDED,
    "failed": Exit.FAILED,
    "exhausted": Exit.EXHAUSTED,
    "cancelled": Exit.CANCELLED,
}


def exit_of_outcome(outcome: Outcome) -> Exit:
    """What a run's end is to the shell."""
    return _OUTCOMES[outcome]


def exit_of_error(error: OpenAgentError) -> Exit:
    """What an error is to the shell."""
    if error.code == UNREACHABLE_CODE:
        return Exit.UNREACHABLE
    is_about_the_request = isinstance(error, Invalid | NotFound | Refused | Unauthenticated)
    return Exit.USAGE if is_about_the_request else Exit.FAILED
