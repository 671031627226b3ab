"""What access costs: logins, and what every request pays to say who sends it.

`python -m bench.login`. A real server with two hundred users, asked over loopback. What a request
pays for its credential is the difference to one without any, in the server's own CPU time.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx2
import uvloop

from bench.processes import Running, cpu_seconds, memory_bytes, server
from bench.report import Figure, finish, median_of

USERS = 200
PASSWORD = "password of all"
SECRET = "0123456789abcdef" * 2


async def measure(running: Running, rounds: int) -> list[Figure]:
    """All figures."""
    async with httpx2.AsyncClient(
        base_url=running.url, timeout=60, limits=httpx2.Limits(max_connections=USERS + 10)
    ) as client:
        times: list[float] = []
        token = ""
        for number in range(rounds):
            begun = time.perf_counter()
            reply = await _login(client, number)
            times.append((time.perf_counter() - begun) * 1e3)
            token = reply.json()["token"]
        session = {"Authorization": f"Bearer {token}"}
        made = await client.post("/api/keys", json={"name": "bench"}, headers=session)
        key = {"Authorization": f"Bearer {made.json()['key']}"}
        none = await _cpu(running, client, "/api/health", {}, rounds)
        figures = [median_of("a login, one after another", times, "ms", 150)]
        for what, headers in (("a session", session), ("an API key", key)):
            # `/nope` does nothing else: what is measured is who asks.
            spent = await _cpu(running, client, "/nope", headers, rounds)
            figures.append(
                Figure(f"CPU of a request with {what}, over one without", spent - none, "µs", 150)
            )
        return [*figures, *await _rush(running, client)]


async def _rush(running: Running, client: httpx2.AsyncClient) -> list[Figure]:
    """Everybody at once, while somebody else asks for something light."""
    before, waits, is_over = memory_bytes(running.pid), [0.0], False
    peak = before

    async def ask() -> None:
        nonlocal peak
        while not is_over:
            begun = time.perf_counter()
            await client.get("/api/health")
            waits.append((time.perf_counter() - begun) * 1e3)
            peak = max(peak, memory_bytes(running.pid))
            await asyncio.sleep(0.01)

    asking = asyncio.create_task(ask())
    begun = time.perf_counter()
    replies = await asyncio.gather(*[_login(client, number) for number in range(USERS)])
    seconds = time.perf_counter() - begun
    is_over = True
    await asking
    waits.sort()
    counts = Counter(reply.status_code for reply in replies)
    return [
        Figure(f"of {USERS} logins at once, let in", counts[200], ""),
        Figure("  logins a second meanwhile", counts[200] / seconds, "/s"),
        Figure("  memory that they take", (peak - before) / 1e6, "MB", 300),
        Figure("  other requests meanwhile, p99", waits[int(len(waits) * 0.99)], "ms", 500),
    ]


async def _login(client: httpx2.AsyncClient, number: int) -> httpx2.Response:
    body = {"username": f"user-{number % USERS}", "password": PASSWORD}
    return await client.post("/api/auth/login", json=body)


async def _cpu(
    running: Running, client: httpx2.AsyncClient, path: str, headers: dict[str, str], rounds: int
) -> float:
    """CPU time of a request, in microseconds."""
    begun = cpu_seconds(running.pid)
    for _ in range(rounds * 20):
        await client.get(path, headers=headers)
    return (cpu_seconds(running.pid) - begun) / (rounds * 20) * 1e6


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 10 if parser.parse_args().quick else 50
    users = [{"username": f"user-{number}", "password": PASSWORD} for number in range(USERS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        server(
            Path(folder),
            "http://127.0.0.1:9/v1",
            DEV_MODE="false",
            JWT_SECRET=SECRET,
            OPEN_AGENT_USERS=json.dumps(users),
        ) as running,
    ):
        finish("login", uvloop.run(measure(running, rounds)))


if __name__ == "__main__":
    main()
