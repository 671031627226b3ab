"""How long a new watcher waits for 10,000 events: `python -m bench.replay`.

From the first byte of the request to the last byte of the last event, over a real socket, by a
client that only counts. Both streams: the events themselves, and the log of a task.
"""

import argparse
import socket
import statistics
import tempfile
import time
from pathlib import Path

from bench.report import Figure, finish, median_of
from bench.streaming import Streaming, streaming

EVENTS = 10_000
TARGET_MS = 300.0
ROUNDS = 7
STREAMS = {"missions": "events", "task": "a task's log"}


def replay(server: Streaming, kind: str, last_id: bytes) -> tuple[float, float, int]:
    """Milliseconds and CPU milliseconds until the last event is there, and bytes."""
    cpu, begun = server.cpu_ms, time.perf_counter()
    with socket.create_connection(("127.0.0.1", server.port)) as peer:
        peer.sendall(server.request(kind))
        size, tail = 0, b""
        while last_id not in tail:
            piece = peer.recv(1 << 20)
            assert piece, "the stream ended too soon"
            size += len(piece)
            tail = tail[-4096:] + piece
    return (time.perf_counter() - begun) * 1000, server.cpu_ms - cpu, size


def measure(rounds: int, events: int) -> list[Figure]:
    """All figures."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, streaming(Path(folder), events) as server:
        last_id = b"\nid: %d.0\n" % server.events
        for kind, what in STREAMS.items():
            replay(server, kind, last_id)
            taken = [replay(server, kind, last_id) for _ in range(rounds)]
            title = f"replay of {server.events:,} events as {what}"
            target = TARGET_MS if events == EVENTS else None
            figures += [
                median_of(title, (ms for ms, _, _ in taken), "ms", target),
                median_of("  CPU of the server", (cpu for _, cpu, _ in taken), "ms"),
                Figure("  bytes", statistics.median(size for _, _, size in taken) / 1e6, "MB"),
            ]
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--events", type=int, default=EVENTS)
    given = parser.parse_args()
    finish("replay", measure(given.rounds, given.events))
