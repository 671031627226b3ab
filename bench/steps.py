"""What a step of a run costs the server: `python -m bench.steps`.

A real server on SQLite carries runs on, one after another; a scripted model in another process
answers at once with 32 chunks and a call of `read_file`. A step is everything from one request to
the next: the reply read and streamed, all its events durable, the file read, the next request
made. The server's CPU time is read when a request has come in, when the server only waits.

Beside it, in the same run: what the model call alone costs a raw HTTP client and the `openai` SDK.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2

from bench.histories import Past, Preloaded, preload
from bench.model import LONG_CHUNKS, STEP_CHUNKS
from bench.processes import Model, Running, model, server
from bench.report import Figure, finish

TARGETS = {20: 3.0, 400: 4.0, 2_000: 8.0}
CHUNK_TARGET = 25.0
STEPS = 24
LONG_STEPS = 8
SKIPPED = 2
"""Steps at the beginning of a mission, with its taking up among them."""
SECONDS = 120.0

Costs = dict[str, list[float]]
"""Milliseconds of each step, by the kind of mission."""


def measure(rounds: int) -> list[Figure]:
    """All figures."""
    costs = {count: _costs(rounds, watchers=count) for count in (0, 1)}
    peers = _peers()
    figures: list[Figure] = []
    for length, target in TARGETS.items():
        for count, who in ((0, "no watcher"), (1, "one watcher")):
            what = f"step at {length:,} messages, {who}"
            steps = costs[count][f"step/{length}"]
            figures.append(Figure(what, statistics.median(steps), "ms", target))
            figures.append(Figure(f"  the mean of {len(steps)}", statistics.fmean(steps), "ms"))
        figures += [
            Figure(f"  model call alone, {name}", row[f"turn_ms_{length}"], "ms")
            for name, row in peers.items()
        ]
    for kind, how in (("long", "at once"), ("paced", "1 ms apart")):
        chunk = _per_chunk(costs[1], kind)
        target = CHUNK_TARGET if kind == "long" else None
        figures.append(Figure(f"chunk, one watcher, chunks {how}", chunk, "µs", target))
    for name, row in peers.items():
        figures.append(Figure(f"  at once, {name}", row["chunk_us_at_once"], "µs"))
        figures.append(Figure(f"  0.5 ms apart, {name}", row["chunk_us_paced"], "µs"))
    return figures


def _costs(rounds: int, *, watchers: int) -> Costs:
    lengths = [("step", length, STEPS) for length in TARGETS]
    kinds = [*lengths, ("long", 20, LONG_STEPS), ("paced", 20, SKIPPED + 3)]
    pasts = [Past("bench/step/warm", 20, STEPS)]
    for number in range(rounds):
        for kind, length, steps in kinds if watchers else lengths:
            pasts.append(Past(f"bench/{kind}/{length}/{number}", length, steps))
    with tempfile.TemporaryDirectory() as name, model() as scripted:
        folder = Path(name)
        missions = asyncio.run(preload(folder, pasts))
        with server(folder, scripted.url, MAX_PARALLEL_MISSIONS="1") as running:
            scripted.watch(running.pid)
            if watchers:
                follow(running, missions)
            return _by_kind(_requests(scripted, sum(past.steps for past in pasts)))


def follow(running: Running, missions: Sequence[Preloaded]) -> None:
    """Watch the missions' streams, as a dashboard would, until the server stops."""

    def watch(mission: Preloaded) -> None:
        path = f"/api/missions/{mission.mission_id}/stream?after={mission.last_seq}"
        with (
            suppress(httpx2.TransportError),
            httpx2.stream("GET", running.url + path, timeout=None) as response,
        ):
            for _ in response.iter_raw():
                pass

    for mission in missions:
        threading.Thread(target=watch, args=(mission,), daemon=True).start()


def _requests(scripted: Model, count: int) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = []
    deadline = time.monotonic() + SECONDS
    while len(requests) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(requests)} of {count} steps were made")
        time.sleep(0.2)
        requests += scripted.requests()
    return requests


def _by_kind(requests: list[dict[str, Any]]) -> Costs:
    costs: Costs = {}
    number = 0
    for one, next_ in pairwise(requests):
        number = number + 1 if one["model"] == next_["model"] else 0
        if number > SKIPPED and one["cpu"] is not None:
            _, kind, length, *_ = one["model"].split("/")
            costs.setdefault(f"{kind}/{length}", []).append((next_["cpu"] - one["cpu"]) * 1e3)
    return costs


def _per_chunk(costs: Costs, kind: str) -> float:
    long, short = (statistics.median(costs[name]) for name in (f"{kind}/20", "step/20"))
    return (long - short) * 1e3 / (LONG_CHUNKS - STEP_CHUNKS)


def _peers() -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "bench.model_client", "--turns", "60"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])["figures"]


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    finish("steps", measure(1 if parser.parse_args().quick else 4))


if __name__ == "__main__":
    main()
