"""The search tools beside ripgrep itself, over `/usr`: `python -m bench.search`.

A tool is called as the loop calls it, through the supervisor; ripgrep is started as a shell would,
with the same question, and its output thrown away. They take turns. The wall time is compared,
since both leave the work to ripgrep's threads.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pydantic_core
import uvloop

from bench.report import Figure, finish, median_of
from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.store.blobs import FileBlobs
from open_agent.tools.definition import Tool, ToolContext
from open_agent.tools.grep_search import grep_search
from open_agent.tools.ports import SearchAnswer, WebPage, WebUnavailable
from open_agent.tools.search_files import search_files
from open_agent.workspaces.local import LocalWorkspace
from open_agent.workspaces.programs import find_ripgrep
from open_agent.workspaces.supervised import SupervisedProcesses

FOLDER = "/usr"
TARGET = 1.2
PATTERN = r"PTHREAD_MUTEX_STALLED\b.*robust"
"""Found nowhere or nearly so, so that every file is read."""
NAME = "*robust-mutex*"
SEARCHES: dict[str, tuple[Tool, dict[str, Any], tuple[str, ...]]] = {
    "grep_search": (
        grep_search,
        {"pattern": PATTERN, "path": FOLDER},
        ("--hidden", "--ignore-case", "--line-number", f"--regexp={PATTERN}", FOLDER),
    ),
    "search_files": (
        search_files,
        {"pattern": NAME, "path": FOLDER},
        ("--files", "--hidden", "--no-ignore", f"--iglob={NAME}", FOLDER),
    ),
}


class _NoWeb:
    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        raise WebUnavailable("There is no web here.")

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        raise WebUnavailable("There is no web here.")


async def measure(rounds: int) -> list[Figure]:
    """All figures."""
    ripgrep = find_ripgrep(os.environ.get("PATH"))
    assert ripgrep is not None
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with SupervisedProcesses(folder / "supervisor.lock") as processes:
            workspace = LocalWorkspace(folder, processes, dict(os.environ), {"rg": ripgrep})
            ctx = ToolContext(
                mission_id=MissionId("mission"),
                run_id=RunId("run"),
                call_id=CallId("call"),
                workspace=workspace,
                blobs=FileBlobs(folder / "blobs"),
                http=_NoWeb(),
                search=_NoWeb(),
            )
            for what, (tool, arguments, argv) in SEARCHES.items():
                ours: list[float] = []
                theirs: list[float] = []
                for _ in range(rounds + 1):
                    ours.append(await _seconds_of_tool(tool, ctx, arguments))
                    theirs.append(_seconds_of([ripgrep, "--no-config", *argv]))
                # The first of each read the disk.
                ratios = [one / other for one, other in zip(ours[1:], theirs[1:], strict=True)]
                figures += [
                    median_of(f"{what} over {FOLDER}, of rg itself", ratios, "×", TARGET),
                    median_of("  its time", [one * 1e3 for one in ours[1:]], "ms"),
                    median_of("  rg's time", [one * 1e3 for one in theirs[1:]], "ms"),
                ]
    return figures


async def _seconds_of_tool(tool: Tool, ctx: ToolContext, arguments: dict[str, Any]) -> float:
    begun = time.perf_counter()
    await tool.invoke(ctx, tool.parse(pydantic_core.to_json(arguments).decode()))
    return time.perf_counter() - begun


def _seconds_of(argv: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Measure, and print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    finish("search", uvloop.run(measure(3 if parser.parse_args().quick else 9)))


if __name__ == "__main__":
    main()
