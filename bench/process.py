"""The server as a process: `python -m bench.process`.

How long it takes from being started to its first answer on `GET /api/health`, with byte code
compiled, on a database that is there and on none; and what it takes while nobody asks for
anything.
"""

import argparse
import contextlib
import http.client
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import SERVE, children, cpu_seconds, environment, memory_bytes
from bench.report import Figure, finish, median_of

SECONDS = 30.0
SETTLED_SECONDS = 5.0
"""After the start, before it counts as idle."""
MIB = 2**20


def measure(rounds: int, idle_seconds: float) -> list[Figure]:
    """All figures."""
    first: list[float] = []
    later: list[float] = []
    cpu: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            # Of two starts on one folder, the first makes the database.
            for taken in (first, later):
                with started(Path(name)) as process:
                    taken.append(seconds_to_health(process))
                    cpu.append(cpu_seconds(process.pid))
    return [
        median_of("start to first health", later, "s", 1.0),
        median_of("  where the database is made first", first, "s"),
        median_of("  CPU until then", cpu, "s"),
        *_idle(idle_seconds),
    ]


@contextmanager
def started(folder: Path) -> Generator["subprocess.Popen[bytes]"]:
    """A server on `folder`, as soon as it is a process."""
    port = _free_port()
    (folder / "data").mkdir(exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*SERVE, "--port", str(port)],
            env=environment(folder, "http://127.0.0.1:1/v1"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def seconds_to_health(process: "subprocess.Popen[bytes]") -> float:
    """Ask for its health until it answers; to be called at once."""
    begun = time.monotonic()
    port = int(str(process.args[-1]))  # type: ignore[index]
    while time.monotonic() - begun < SECONDS:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/api/health")
            if connection.getresponse().status == 200:
                return time.monotonic() - begun
        time.sleep(0.002)
    raise TimeoutError("the server did not start")


def _idle(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        # The server that makes the database keeps in memory what that takes.
        with settled(Path(name)) as process:
            at_first = memory_bytes(process.pid)
        with settled(Path(name)) as process:
            pid = process.pid
            before, begun = cpu_seconds(pid), time.monotonic()
            time.sleep(seconds)
            share = 100 * (cpu_seconds(pid) - before) / (time.monotonic() - begun)
            beside = children(pid)
            memory, memory_beside = memory_bytes(pid), sum(map(memory_bytes, beside))
    return [
        Figure("memory when idle", memory / MIB, "MB", 100.0),
        Figure("  where it has made the database", at_first / MIB, "MB"),
        Figure(f"  of {len(beside)} processes beside it", memory_beside / MIB, "MB"),
        Figure(f"CPU when idle, over {seconds:g} s", share, "%", 0.5),
    ]


@contextmanager
def settled(folder: Path) -> Generator["subprocess.Popen[bytes]"]:
    """A server on `folder` that has started, and has nothing more to do."""
    with started(folder) as process:
        seconds_to_health(process)
        time.sleep(SETTLED_SECONDS)
        yield process


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, and idle for less")
    is_quick = parser.parse_args().quick
    finish("process", measure(1 if is_quick else 7, 5.0 if is_quick else 20.0))


if __name__ == "__main__":
    main()
