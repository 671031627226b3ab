"""One at a time, among processes that share a `DATA_DIR`."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel

from open_agent.services.workspaces.alone import alone

HOLDING = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(1000)
"""


async def test_one_is_in_there_at_a_time_and_nothing_is_left(tmp_path: Path) -> None:
    path, inside, seen = tmp_path / "making" / "one", 0, list[int]()

    async def enter() -> None:
        nonlocal inside
        async with alone(path):
            inside += 1
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
                seen.append(inside)
            inside -= 1

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(enter)
    assert seen == [1] * 60
    assert list(path.parent.iterdir()) == []


async def test_another_process_keeps_it_until_its_end_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "one"
    with subprocess.Popen(
        [sys.executable, "-I", "-c", HOLDING, path], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with anyio.move_on_after(0.5) as waited:
            async with alone(path):
                raise AssertionError(os.getpid())
        assert waited.cancelled_caught
        holder.kill()
        with anyio.fail_after(20):
            async with alone(path):
                pass
