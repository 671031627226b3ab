"""The same task on both backends: `python -m bench.backends`.

One real server hands tasks to its own loop and to a real OpenCode that it started, one after the
other; one scripted model without latency is behind both. A task is 20 commands and a last word. CPU
time is that of the server and of everything below it, those that have ended included.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.model import TURNS
from bench.processes import Running, memory_bytes, model, server
from bench.report import Figure, finish, median_of

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".tools/node/node_modules/opencode-linux-x64/bin/opencode"
MODEL = "bench/command/any"
STEPS = TURNS + 1
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 2**20
SECONDS = 120.0


@dataclass
class Taken:
    """What tasks took, each."""

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])


def measure(rounds: int) -> list[Figure]:
    """All figures."""
    program = PROGRAM if PROGRAM.exists() else shutil.which("opencode")
    if program is None:
        raise SystemExit("OpenCode is not there. `python tools/programs.py` fetches it.")
    settings = {
        "OPENCODE_MANAGED": "true",
        "OPENCODE_PROGRAM": str(program),
        "DEFAULT_MODEL": MODEL,
    }
    with tempfile.TemporaryDirectory() as name, model() as scripted:
        folder = Path(name)
        places = {"in a repository": repository(folder), "elsewhere": folder / "elsewhere"}
        with server(folder, scripted.url, **settings) as running:
            before = memory_bytes(running.pid)
            taken = {
                (backend, where): tasks(running, backend, place, rounds)
                for backend in ("native", "opencode")
                for where, place in places.items()
            }
            memory = memory_bytes(running.pid), sum(map(memory_bytes, opencodes(running.pid)))
    figures = [figure for key, times in taken.items() for figure in _figures(*key, times)]
    figures.append(Figure("memory of the server after all of them", memory[0] / MIB, "MB"))
    figures.append(Figure("  when it had started", before / MIB, "MB"))
    figures.append(Figure("memory of OpenCode after all of them", memory[1] / MIB, "MB"))
    for where in places:
        native, opencode = (taken[backend, where] for backend in ("native", "opencode"))
        ratio = statistics.median(opencode.cpu) / statistics.median(native.cpu)
        figures.append(Figure(f"CPU of OpenCode's steps ÷ ours, {where}", ratio, "times"))
    return figures


def _figures(backend: str, where: str, taken: Taken) -> Iterable[Figure]:
    what = f"{backend}, {where}"
    yield median_of(f"step on {what}", [one * 1e3 / STEPS for one in taken.wall], "ms")
    yield median_of("  CPU of each", [one * 1e3 / STEPS for one in taken.cpu], "ms")


def repository(folder: Path) -> Path:
    """A small git repository."""
    made = folder / "repository"
    made.mkdir()
    for number in range(50):
        (made / f"file{number}.txt").write_text(f"{number}\n" * 100)
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "All of it"]):
        subprocess.run(["git", *arguments], cwd=made, check=True)
    return made


def tasks(running: Running, backend: str, place: Path, rounds: int) -> Taken:
    """Hand tasks over and wait for each; the first one is not counted."""
    taken = Taken()
    for number in range(rounds + 1):
        cpu, begun = cpu_of_tree(running.pid), time.monotonic()
        carry_out(running, backend, place)
        if number:
            taken.wall.append(time.monotonic() - begun)
            # What a task started ends a moment after it.
            time.sleep(0.2)
            taken.cpu.append(cpu_of_tree(running.pid) - cpu)
    return taken


def carry_out(running: Running, backend: str, place: Path) -> None:
    """One task, to its end."""
    asyncio.run(_carry_out(running, backend, place))


async def _carry_out(running: Running, backend: str, place: Path) -> None:
    async with httpx2.AsyncClient(base_url=running.url, timeout=SECONDS) as client:
        body = {"task": "Do it.", "backend": backend, "working_dir": str(place)}
        reply = await client.post("/api/task", json=body)
        assert reply.status_code == 200, reply.text
        task_id = reply.json()["id"]
        async with client.stream("GET", f"/api/task/{task_id}/stream") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event: done"):
                    break
        task = (await client.get(f"/api/task/{task_id}")).json()
        assert task["status"] == "completed", json.dumps(task)
        assert task["iterations"] == STEPS, json.dumps(task["iterations"])


def cpu_of_tree(pid: int) -> float:
    """Seconds of a process and all below it, with those below that have ended."""
    fields = _stats()
    return sum(sum(fields[one][2]) for one in below(pid, fields) if one in fields) / TICKS


def opencodes(pid: int) -> list[int]:
    """The OpenCode servers below a process."""
    fields = _stats()
    return [one for one in below(pid, fields) if fields[one][0].startswith("opencode")]


Stats = dict[int, tuple[str, int, list[int]]]
"""Name, parent and ticks (own, and of children that ended) of every process."""


def below(pid: int, fields: Stats) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        found += [child for child, (_, parent, _) in fields.items() if parent == one]
    return found


def _stats() -> Stats:
    found: Stats = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        parts = rest.split()
        name = head.partition("(")[2]
        found[int(path.parent.name)] = name, int(parts[1]), [int(part) for part in parts[11:15]]
    return found


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one task each")
    finish("backends", measure(1 if parser.parse_args().quick else 5))


if __name__ == "__main__":
    main()
