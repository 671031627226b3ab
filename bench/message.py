"""How soon a message is seen: `python -m bench.message`.

A real server with missions that are idle, one reader of the control stream, and one message after
another. From when the request is sent: until its reply, until the stream shows the message, and
until it shows the model's first text. The model answers at once.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import uvloop

from bench.processes import Running, model, server
from bench.report import Figure, finish, median_of

MISSIONS = 8
SEEN, WRITTEN = "user_message", "assistant_message"


async def measure(running: Running, rounds: int) -> list[Figure]:
    """All figures."""
    times: dict[str, list[float]] = {"reply": [], SEEN: [], WRITTEN: []}
    async with (
        httpx2.AsyncClient(base_url=running.url, timeout=30) as client,
        client.stream("GET", "/api/control/stream", timeout=None) as response,
    ):
        frames = _frames(response)
        await anext(frames)  # `status`: from here on it follows
        body = {"model_override": "bench/say/message"}
        missions = [
            (await client.post("/api/control/missions", json=body)).json()["id"]
            for _ in range(MISSIONS)
        ]
        for number in range(rounds):
            mission_id = missions[number % MISSIONS]
            begun = time.perf_counter()
            sending = asyncio.create_task(
                client.post(
                    "/api/control/message",
                    json={"content": f"Message {number}.", "mission_id": mission_id},
                )
            )
            sending.add_done_callback(lambda _, at=begun: times["reply"].append(_since(at)))
            async for name, data in frames:
                if name in times and data.get("mission_id") == mission_id:
                    times[name].append(_since(begun))
                if name == WRITTEN:
                    break
            (await sending).raise_for_status()
    return [
        median_of("message to its first event", times[SEEN], "ms", 20),
        median_of("  to the reply of the request", times["reply"], "ms"),
        median_of("  to the end of a run of one step", times[WRITTEN], "ms"),
    ]


async def _frames(response: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """The stream's events, by name."""
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1e3


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 20 if parser.parse_args().quick else 200
    with (
        tempfile.TemporaryDirectory() as folder,
        model() as scripted,
        server(Path(folder), scripted.url) as running,
    ):
        finish("message", uvloop.run(measure(running, rounds)))


if __name__ == "__main__":
    main()
