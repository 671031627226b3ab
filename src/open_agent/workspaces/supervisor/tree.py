"""What descends from a process, as `/proc` has it. Linux only."""

import os
from typing import NamedTuple

MAX_COMMAND = 300
"""Characters of a command line that are shown."""


class Seen(NamedTuple):
    """A process as `/proc` had it; the start time tells it from a later one of the same id."""

    pid: int
    parent: int
    group: int
    started: str
    is_zombie: bool


def look_at(pid: int) -> Seen | None:
    """The process, if it is there."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            # The name, in brackets, may hold anything, brackets included.
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return Seen(pid, int(fields[1]), int(fields[2]), fields[19], fields[0] in "ZX")


def descendants(root: int, *, without: set[int]) -> list[Seen]:
    """Everything below `root`, but for the processes `without` and what is below them."""
    children: dict[int, list[Seen]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (seen := look_at(int(name))):
            children.setdefault(seen.parent, []).append(seen)
    found: list[Seen] = []
    unvisited = [root]
    while unvisited:
        below = [child for child in children.get(unvisited.pop(), []) if child.pid not in without]
        found += below
        unvisited += [child.pid for child in below]
    return found


def children() -> set[int]:
    """The ids of our own children, those that have ended and are not yet reaped included."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:  # noqa: PTH123
            return {int(pid) for pid in file.read().split()}
    except OSError:
        # A kernel without CONFIG_PROC_CHILDREN.
        return {seen.pid for seen in descendants(me, without=set()) if seen.parent == me}


def command_of(pid: int) -> str:
    """The command line, for people."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            line = file.read(MAX_COMMAND * 4)
        if not line:
            with open(f"/proc/{pid}/comm", "rb") as file:  # noqa: PTH123
                line = file.read()
    except OSError:
        return "?"
    return line.replace(b"\0", b" ").decode("utf-8", "replace").strip()[:MAX_COMMAND]
