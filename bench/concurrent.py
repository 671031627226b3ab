"""Two hundred runs at once: `python -m bench.concurrent`.

A real server on SQLite is given 200 tasks over HTTP; a scripted model in another process answers
each request after a second on average (a half to one and a half, evenly), with 32 chunks and a call
of `read_file`. Nothing but that wait should stand between two steps of a run. Counted are the
requests of the model, from when every run has begun until the first has ended.
"""

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2

from bench.histories import write_notes
from bench.model import SLOW_SECONDS
from bench.processes import Model, Running, children, cpu_seconds, memory_bytes, model, server
from bench.report import Figure, finish

RUNS = 200
STEPS = 24
"""The last request of a run has a history of some 40 KB, and 12 KB of prompt and tools."""
SECONDS = 240.0
MIB = 2**20


def measure(runs: int, steps: int) -> list[Figure]:
    """All figures."""
    settings = {
        "MAX_PARALLEL_MISSIONS": str(runs),
        "MAX_ITERATIONS": str(steps),
        "DEFAULT_MODEL": "bench/slow/concurrent",
    }
    with tempfile.TemporaryDirectory() as name, model() as scripted:
        folder = Path(name)
        write_notes(folder / "notes")
        with server(folder, scripted.url, **settings) as running:
            scripted.watch(running.pid)
            idle = memory_bytes(running.pid)
            model_before, begun = cpu_seconds(scripted.pid), time.monotonic()
            submit(running, runs, folder / "notes")
            requests = _wait(scripted, runs * steps)
            model_cpu = (cpu_seconds(scripted.pid) - model_before) / (time.monotonic() - begun)
            highest = memory_bytes(running.pid, "VmHWM")
            beside = sum(map(memory_bytes, children(running.pid)))
    window = _window(requests, runs, steps)
    seconds = window[-1]["at"] - window[0]["at"]
    rate = (len(window) - 1) / seconds
    cpu = window[-1]["cpu"] - window[0]["cpu"]
    return [
        Figure(
            f"steps of {runs} runs, of ideal",
            100 * rate / (runs / SLOW_SECONDS),
            "%",
            90.0,
            is_least=True,
        ),
        Figure("  steps per second", rate, "/s"),
        Figure("  CPU of the server a step", cpu / (len(window) - 1) * 1e3, "ms"),
        Figure("  CPU of the server, of one core", 100 * cpu / seconds, "%"),
        Figure("  CPU of the scripted model, of one core", 100 * model_cpu, "%"),
        Figure(f"memory of the server with {runs} runs, at its highest", highest / MIB, "MB", 250),
        Figure("  before the first of them", idle / MIB, "MB"),
        Figure("  of the processes beside it", beside / MIB, "MB"),
    ]


def submit(running: Running, runs: int, workspace: Path) -> None:
    """Submit the tasks, one after another."""
    with httpx2.Client(base_url=running.url, timeout=60) as client:
        for number in range(runs):
            task = {"task": f"Read the notes ({number}).", "working_dir": str(workspace)}
            client.post("/api/task", json=task).raise_for_status()


def _wait(scripted: Model, count: int) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = []
    deadline = time.monotonic() + SECONDS
    while len(requests) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(requests)} of {count} steps were made")
        time.sleep(0.5)
        requests += scripted.requests()
    return requests


def _window(requests: list[dict[str, Any]], runs: int, steps: int) -> list[dict[str, Any]]:
    """From when every run has begun until the first makes its last step."""
    firsts = [place for place, request in enumerate(requests) if request["turn"] == 0]
    first_last = next(
        place for place, request in enumerate(requests) if request["turn"] == steps - 1
    )
    assert len(firsts) == runs
    window = requests[firsts[-1] : first_last]
    assert all(one["at"] <= next_["at"] for one, next_ in pairwise(window))
    return window


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    is_quick = parser.parse_args().quick
    finish("concurrent", measure(40 if is_quick else RUNS, STEPS))


if __name__ == "__main__":
    main()
