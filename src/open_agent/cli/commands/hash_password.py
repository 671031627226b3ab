"""`open-agent hash-password`: what to write into the settings in place of a password."""

import anyio

from open_agent.cli.passwords import ask_password
from open_agent.cli.terminal import Terminal
from open_agent.core.clock import SystemClock
from open_agent.services.access.passwords import Passwords


def print_hash() -> None:
    """Ask for a password, and print its hash.

    Raises:
        Invalid: It is missing or unfit.
    """
    password = ask_password()
    Terminal(SystemClock()).print(anyio.run(_hash, password))


async def _hash(password: str) -> str:
    return await Passwords().hash(password)
