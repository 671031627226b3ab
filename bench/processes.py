"""The processes that are measured, as they are in use: a real server, and a model beside it.

CPU time is the kernel's own count for a whole process, all threads, in nanoseconds.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SERVE = [str(Path(sys.executable).with_name("open-agent")), "serve"]


@dataclass(frozen=True, slots=True)
class Running:
    """A process at work, and where it answers."""

    process: "subprocess.Popen[Any]"
    url: str

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid


class Model(Running):
    """A scripted model; `bench/model.py` is the program, and says what the commands do."""

    def watch(self, pid: int) -> None:
        """Note the CPU time of a process at every request from now on."""
        self._ask(f"watch {pid}")

    def requests(self) -> list[dict[str, Any]]:
        """The requests since the last time this was asked: model, turn, at, cpu."""
        return json.loads(self._ask("requests"))

    def _ask(self, command: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return self.process.stdout.readline().decode()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, threads that have ended included."""
    return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)


def memory_bytes(pid: int, field: str = "VmRSS") -> int:
    """A size from the status of a process: `VmRSS` now, `VmHWM` at its highest."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    return 0 if found is None else int(found[1]) * 1024


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still are."""
    found: list[int] = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before it may hold anything, blanks and brackets included.
            _, parent = status.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid:
                found.append(int(status.parent.name))
    return found


@contextmanager
def model() -> Generator[Model]:
    """A scripted model in a process of its own."""
    command = [sys.executable, "-m", "bench.model"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield Model(process, json.loads(process.stdout.readline())["base_url"])
    finally:
        process.kill()
        process.communicate()


@contextmanager
def server(folder: Path, model_url: str, **settings: str) -> Generator[Running]:
    """A server on `folder`, from when it answers until it has stopped in good order."""
    data_dir = folder / "data"
    data_dir.mkdir(parents=True, exist_ok=True)
    address = data_dir / "server.json"
    address.unlink(missing_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            SERVE,
            env=environment(folder, model_url, **settings),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Running(process, _when_ready(process, address, folder / "server.log"))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment(folder: Path, model_url: str, **settings: str) -> dict[str, str]:
    """What a measured server is given: nothing of the caller's own settings."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "WORKING_DIR": str(folder / "work"),
        "OPENROUTER_BASE_URL": model_url,
        "CONTEXT_WINDOW": "100000000",
        "DEV_MODE": "true",
        "PORT": "0",
        "LOG_LEVEL": "warning",
        **settings,
    }


def _when_ready(process: "subprocess.Popen[Any]", address: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError, httpx2.TransportError):
            url = json.loads(address.read_text())["url"]
            if httpx2.get(f"{url}/api/ready").status_code == 200:
                return url
        time.sleep(0.01)
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')}")
