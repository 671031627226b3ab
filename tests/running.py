"""What runs on this machine, as tests look for what should have ended."""

import os
from pathlib import Path

import anyio


def running(mark: str) -> list[str]:
    """Command lines that hold `mark`, which a test makes unique; zombies are not running."""
    found: list[str] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if mark in line and state not in "ZX":
            found.append(f"{folder.name} {line}")
    return found


async def started(mark: str, count: int = 1) -> None:
    """Return when so many processes with `mark` run."""
    with anyio.fail_after(20):
        while len(running(mark)) < count:
            await anyio.sleep(0.005)


async def gone(mark: str, *, seconds: float) -> None:
    """Return when no process with `mark` runs."""
    with anyio.move_on_after(seconds):
        while running(mark):
            await anyio.sleep(0.005)
        return
    raise AssertionError(f"still running after {seconds} s: {running(mark)}")
