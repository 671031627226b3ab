"""How soon one event is with 1,000 watchers: `python -m bench.fanout`.

From just before the event is appended to when each watcher has it from its socket: the commit,
waking, framing, sending and receiving are in it, and so is this client, which is one process with
all 1,000 connections. Beside it, in the same client, what a bare server needs that only writes the
same bytes to 1,000 sockets.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from bench.report import Figure, finish
from bench.streaming import MOMENT, Streaming, streaming

WATCHERS = 1_000
EVENTS = 20
APART_MS = 200.0
TARGET_MS = 60.0
MARK = MOMENT.encode()


class Watcher(asyncio.Protocol):
    """Notes how old each event is when it comes."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._rest = b""
        self.ages_ms: list[float] = []
        self.is_open = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        self.is_open.set()
        *before, self._rest = (self._rest[-64:] + data).split(MARK)
        for piece in [*before[1:], self._rest] if before else []:
            sent, space, _ = piece.partition(b" ")
            if space:
                self.ages_ms.append((now - int(sent)) / 1e6)


def percentile(samples: Sequence[float], share: float) -> float:
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


async def watch(server: Streaming, kind: str, count: int) -> tuple[list[float], float]:
    """How old events were when they came, in milliseconds; CPU of the server for each, in µs."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        watchers: list[Watcher] = []
        for _ in range(count):
            transport, watcher = await loop.create_connection(
                lambda: Watcher(server.request(kind, after=server.events)), *server.address
            )
            stack.callback(transport.close)
            watchers.append(watcher)
        async with asyncio.timeout(60):
            for watcher in watchers:
                await watcher.is_open.wait()
        await asyncio.sleep(1)
        cpu = server.cpu_ms
        for place in range(1, EVENTS + 1):
            server.say(APART_MS)
            async with asyncio.timeout(30):
                while any(len(watcher.ages_ms) < place for watcher in watchers):
                    await asyncio.sleep(0.02)
        used = server.cpu_ms - cpu
    ages = [age for watcher in watchers for age in watcher.ages_ms]
    return ages, used * 1000 / len(ages)


async def floor(count: int) -> list[float]:
    """The same bytes from a server that does nothing but write them."""
    loop = asyncio.get_running_loop()
    peers: list[asyncio.Transport] = []

    class Writer(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            peers.append(transport)
            transport.write(b"open")

    listener = await loop.create_server(Writer, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    watchers: list[Watcher] = []
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        for _ in range(count):
            transport, watcher = await loop.create_connection(
                lambda: Watcher(b"GET\r\n"), "127.0.0.1", port
            )
            stack.callback(transport.close)
            watchers.append(watcher)
        for watcher in watchers:
            await watcher.is_open.wait()
        for place in range(1, EVENTS + 1):
            await asyncio.sleep(APART_MS / 1000)
            data = b"%b%d %b\n" % (MARK, time.monotonic_ns(), b"x" * 600)
            for peer in peers:
                peer.write(data)
            while any(len(watcher.ages_ms) < place for watcher in watchers):
                await asyncio.sleep(0.02)
    return [age for watcher in watchers for age in watcher.ages_ms]


async def measure(count: int) -> list[Figure]:
    """All figures."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, streaming(Path(folder), 100) as server:
        idle = server.rss_mb
        for kind, what in (("missions", "events"), ("task", "a task's log")):
            ages, cpu = await watch(server, kind, count)
            target = TARGET_MS if count == WATCHERS else None
            figures += [
                Figure(
                    f"one event to {count:,} watchers of {what}, p99",
                    percentile(ages, 0.99),
                    "ms",
                    target,
                ),
                Figure("  p50", statistics.median(ages), "ms"),
                Figure("  worst", max(ages), "ms"),
                Figure("  CPU of the server a delivery", cpu, "µs"),
            ]
        figures.append(Figure("memory with the watchers, above idle", server.rss_mb - idle, "MB"))
    bare = await floor(count)
    figures += [
        Figure("a bare server in the client's own process, p99", percentile(bare, 0.99), "ms"),
        Figure("  p50", statistics.median(bare), "ms"),
    ]
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=WATCHERS)
    given = parser.parse_args()
    finish("fanout", uvloop.run(measure(given.watchers)))
