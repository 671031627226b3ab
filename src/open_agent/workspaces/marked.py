"""Finds and ends processes by a mark in the environment that they were started with.

For programs that we hand work to and that start commands themselves: whose a command is, only they
know, so they mark it. What a command starts inherits the mark, also when it detaches; what clears its
environment is not found. Linux only; elsewhere nothing is found.
"""

import os
import signal
from collections.abc import Collection
from pathlib import Path

import anyio
from anyio import to_thread

from open_agent.workspaces.processes import TERM_GRACE

_PROC = Path("/proc")
_POLL = 0.02
_ROUNDS = 50
"""Killing again finds what was started meanwhile; after so many times, something is the matter."""


async def end_marked(name: str, values: Collection[str], grace: float = TERM_GRACE) -> int:
    """End every process that has `name` with one of `values`: TERM, then KILL after `grace` seconds.

    Returns:
        How many there were. When it returns, none is left that may be ended by this account.
    """
    marks = frozenset(f"{name}={value}".encode() for value in values)
    found = await to_thread.run_sync(_find, marks)
    seen = set(found)
    _signal(found, signal.SIGTERM)
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(grace):
            while found:
                await anyio.sleep(_POLL)
                found = await to_thread.run_sync(_find, marks)
                seen.update(found)
        for _ in range(_ROUNDS):
            if not found:
                break
            _signal(found, signal.SIGKILL)
            await anyio.sleep(_POLL)
            found = await to_thread.run_sync(_find, marks)
            seen.update(found)
    return len(seen)


def _find(marks: frozenset[bytes]) -> list[int]:
    if not marks or not _PROC.is_dir():
        return []
    me = os.getpid()
    ids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in ids if pid != me and _is_marked(pid, marks)]


def _is_marked(pid: int, marks: frozenset[bytes]) -> bool:
    try:
        # Of one that has ended and was not waited for, there is nothing to read.
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return not marks.isdisjoint(environment.split(b"\0"))


def _signal(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
            if number is signal.SIGTERM:
                os.kill(pid, signal.SIGCONT)  # one that is stopped does not hear it otherwise
        except (ProcessLookupError, PermissionError):
            continue
