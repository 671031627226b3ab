"""All measurements, one after another: `python -m bench [NAME …] [--quick] [--save]`.

Each is a program of its own, run in a fresh process, whose last line is JSON. `--save` keeps them in
`bench/results/`, with the date and the machine, and writes the table of `bench/README.md` anew.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.report import Figure, figures_of, machine, now, summary, table

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE / "README.md"
BEGIN, END = "<!-- results -->\n", "<!-- end of results -->\n"

NAMES = (
    "steps",
    "append",
    "concurrent",
    "process",
    "replay",
    "fanout",
    "search",
    "missions",
    "message",
    "login",
    "backends",
)
QUICK: dict[str, list[str]] = {
    "append": ["--seconds", "1"],
    "fanout": ["--watchers", "200"],
    "replay": ["--rounds", "3"],
}
"""How to be quick, for those that have no `--quick`."""

FAST_DISK_MS = 0.2


def main() -> int:
    """Run what is asked for; the exit code says whether all of it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="to see that it works")
    parser.add_argument("--save", action="store_true", help="keep the results")
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    here = machine()
    found: dict[str, list[Figure]] = {}
    for name in given.names or NAMES:
        figures = run(name, is_quick=given.quick)
        if figures is not None:
            found[name] = figures
            if given.save:
                save(name, figures, here)
    if given.save:
        write_readme()
    return 0 if len(found) == len(given.names or NAMES) else 1


def run(name: str, *, is_quick: bool) -> list[Figure] | None:
    """The figures of one program; none when it failed."""
    print(f"== {name}, at a load of {os.getloadavg()[0]:.1f}", flush=True)
    begun = time.monotonic()
    options = QUICK.get(name, ["--quick"]) if is_quick else []
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *options],
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        print(f"{done.stdout}FAILED\n", flush=True)
        return None
    read = READERS.get(name, figures_of)
    figures = read(json.loads(done.stdout.splitlines()[-1]))
    print(f"{table(figures)}\n{time.monotonic() - begun:.0f} s\n", flush=True)
    return figures


def save(name: str, figures: list[Figure], here: dict[str, Any]) -> None:
    """Keep one program's figures, under today's date."""
    RESULTS.mkdir(exist_ok=True)
    at = now()
    kept = {
        "name": name,
        "at": at.isoformat(timespec="seconds"),
        "machine": here,
        "figures": [figure.as_json() for figure in figures],
    }
    (RESULTS / f"{at:%Y-%m-%d}-{name}.json").write_text(f"{json.dumps(kept, indent=1)}\n")


def write_readme() -> None:
    """Put the newest results of all programs into the table."""
    newest: list[dict[str, Any]] = []
    for name in NAMES:
        files = sorted(RESULTS.glob(f"*-{name}.json"))
        if files:
            newest.append(json.loads(files[-1].read_text()))
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}{summary(newest)}{END}{after}")


def _figures_of_append(found: dict[str, Any]) -> list[Figure]:
    """`bench/append.py` has a shape of its own."""
    sync_ms = found["fdatasync_ms"]
    figures = [Figure("fdatasync of this disk", sync_ms, "ms")]
    for row in found["results"]:
        database, runs, owners = row["database"], row["runs"], row["owners"]
        is_sqlite = database == "sqlite"
        who = f"{database}, {runs} runs of {owners} owners" if owners > 1 else f"{database}, {runs}"
        at_20 = runs == 20
        rate_target = 4_000.0 if not is_sqlite and at_20 else None
        if is_sqlite and at_20 and sync_ms <= FAST_DISK_MS:
            rate_target = 15_000.0
        rate = row["events_per_second"]
        figures.append(Figure(f"appends, {who}", rate, "/s", rate_target, is_least=True))
        cpu_target = 0.2 if is_sqlite else None
        figures.append(Figure("  CPU of each", row["cpu_ms_per_append"], "ms", cpu_target))
        if is_sqlite and at_20 and sync_ms > FAST_DISK_MS:
            share = 100 * row["of_commits"]
            figures.append(Figure("  of batch ÷ commit time", share, "%", 70.0, is_least=True))
    return figures


READERS: dict[str, Callable[[dict[str, Any]], list[Figure]]] = {"append": _figures_of_append}


if __name__ == "__main__":
    sys.exit(main())
