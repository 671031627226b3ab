"""What holds for every test: time limits, no network but loopback, and nobody's own settings."""

import ipaddress
import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = ("127.", "0.0.0.0", "::1", "localhost")
INTERNET = {socket.AF_INET, socket.AF_INET6}
TIMEOUTS = {"unit": 5, "interaction": 5, "conformance": 20, "crash": 240}
"""Seconds for one test that has the machine to itself, by folder; `@pytest.mark.timeout` wins."""


class NetworkGuard:
    """Refuses connections that leave the machine, but for tests marked `live`."""

    is_open = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook: raises to stop what is about to happen."""
        if self.is_open:
            return
        match event:
            case "socket.connect" | "socket.sendto" if args[0].family in INTERNET:
                host = str(args[1][0])
            case "socket.getaddrinfo":
                host = (
                    args[0].decode() if isinstance(args[0], bytes) else str(args[0] or LOOPBACK[0])
                )
                if is_address(host):
                    return
            case _:
                return
        if not host.startswith(LOOPBACK):
            raise RuntimeError(f"A test tried to reach {host}; mark it `live` if it must.")


def is_address(host: str) -> bool:
    """Whether looking `host` up asks nobody."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


guard_key = pytest.StashKey[NetworkGuard]()
home_key = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    guard = NetworkGuard()
    config.stash[guard_key] = guard
    sys.addaudithook(guard)
    home = Path(tempfile.mkdtemp(prefix="open-agent-test-home-"))
    config.stash[home_key] = home
    for name in list(os.environ):
        if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "OPENROUTER_", "TAVILY_")):
            del os.environ[name]
    os.environ["REAL_HOME"] = os.environ.get("REAL_HOME") or os.environ.get("HOME", "")
    os.environ["HOME"] = str(home)
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[home_key], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    root = config.rootpath / "tests"
    patience = slowdown()
    for item in items:
        if not item.path.is_relative_to(root):
            continue
        kind = item.path.relative_to(root).parts[0]
        if kind in TIMEOUTS and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TIMEOUTS[kind] * patience))
        if kind == "crash":
            item.add_marker(pytest.mark.slow)


def slowdown() -> float:
    """How many times longer than alone things may take, since others use the processors too."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return max(1, workers, os.getloadavg()[0] / (os.cpu_count() or 1))


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[guard_key].is_open = item.get_closest_marker("live") is not None


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop that the server uses is asyncio's; nothing promises to run on another."""
    return "asyncio"
