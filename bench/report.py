"""What was measured: figures beside what they should be, as a table, as JSON, and on what machine."""

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FSYNCS = 200


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes:
        target: What it should be at most; with `is_least`, at least. Absent for what is only shown
            beside others.
        samples: What `value` is the median of, where there are few enough to show.
    """

    what: str
    value: float
    unit: str
    target: float | None = None
    is_least: bool = False
    samples: list[float] = field(default_factory=list[float])

    @property
    def is_reached(self) -> bool | None:
        """Whether it is what it should be."""
        if self.target is None:
            return None
        return self.value >= self.target if self.is_least else self.value <= self.target

    @property
    def wanted(self) -> str:
        """What it should be, for people."""
        if self.target is None:
            return ""
        return f"{'≥' if self.is_least else '≤'} {self.target:,g}"

    @property
    def shown(self) -> str:
        """The value, for people: three digits that count."""
        digits = 0 if abs(self.value) >= 100 else 1 if abs(self.value) >= 10 else 2
        return f"{self.value:,.{digits}f}"

    def as_json(self) -> dict[str, Any]:
        """As it is printed and kept."""
        return asdict(self) | {"is_reached": self.is_reached}


def median_of(
    what: str,
    samples: Iterable[float],
    unit: str,
    target: float | None = None,
    *,
    is_least: bool = False,
) -> Figure:
    """A figure that is the median of some."""
    listed = [round(sample, 4) for sample in samples]
    return Figure(what, statistics.median(listed), unit, target, is_least, listed)


def finish(name: str, figures: Sequence[Figure]) -> None:
    """Print a table for people and, as the last line, JSON for programs."""
    print(table(figures))
    shown = [figure.as_json() for figure in figures]
    print(json.dumps({"name": name, "figures": shown}), flush=True)


def figures_of(found: dict[str, Any]) -> list[Figure]:
    """The figures that `finish` printed."""
    return [
        Figure(**{name: value for name, value in item.items() if name != "is_reached"})
        for item in found["figures"]
    ]


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text."""
    width = max(len(figure.what) for figure in figures)
    verdicts = {True: "reached", False: "NOT reached", None: ""}
    return "\n".join(
        f"{figure.what:<{width}}  {figure.shown:>10} {figure.unit:<8} {figure.wanted:>10}"
        f"  {verdicts[figure.is_reached]}".rstrip()
        for figure in figures
    )


def summary(kept: Sequence[dict[str, Any]]) -> str:
    """A table in Markdown of what was kept; figures without a target belong to the line before."""
    lines = ["| what | measured | reach |", "|---|---|---|"]
    for found in kept:
        for figure in figures_of(found):
            verdict = "" if figure.is_reached is not False else " ✗"
            what = figure.what.replace("  ", "&nbsp;&nbsp;", 1)
            lines.append(f"| {what} | {figure.shown} {figure.unit} | {figure.wanted}{verdict} |")
    return "\n".join([*lines, "", *_where(kept), ""])


def _where(kept: Sequence[dict[str, Any]]) -> list[str]:
    """When and on what, a line for each machine."""
    places: dict[str, None] = {}
    for found in kept:
        m = found["machine"]
        places[
            f"{found['at'][:10]}, {m['cores']} cores of {m['cpu']}, {m['memory_gib']:g} GiB, kernel"
            f" {m['kernel']}, Python {m['python']}, fdatasync {m['fdatasync_ms']:g} ms."
        ] = None
    return list(places)


def machine() -> dict[str, Any]:
    """Where this runs, without names of hosts or folders."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fdatasync_ms": round(fdatasync_ms(), 3),
    }


def now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


def fdatasync_ms(folder: Path | None = None) -> float:
    """How long the disk takes to make a page durable, the median."""
    taken: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(4096 * FSYNCS))
        os.fsync(file.fileno())
        for place in range(FSYNCS):
            os.pwrite(file.fileno(), b"x" * 4096, place * 4096)
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
