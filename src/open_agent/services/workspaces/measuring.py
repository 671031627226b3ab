"""How much room there is, and how much a directory takes."""

import shutil
from pathlib import Path

import anyio
import anyio.to_thread

from open_agent.workspaces.environment import process_environment
from open_agent.workspaces.isolation import Isolation

MOST_SECONDS = 600.0
"""What measuring one directory may take."""


async def measure(isolation: Isolation, path: Path) -> int | None:
    """The bytes that a directory takes on its own disk; nothing when that cannot be told.

    A program of its own counts: a million files would hold up whatever shares our interpreter.
    """
    environment = process_environment(isolation.environment())
    # What is not ours to read is not counted, which is no reason to say nothing.
    arguments = ["nice", "-n", "10", "du", "-s", "-k", "-x", "--", str(path)]
    try:
        process = await isolation.start(arguments, cwd=Path("/"), env=environment)
    except OSError:
        return None
    output = bytearray()

    async def listen() -> None:
        while data := await process.stdout.read():
            output.extend(data[:1000])

    async def overhear() -> None:
        while await process.stderr.read():
            pass

    try:
        with anyio.move_on_after(MOST_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                group.start_soon(overhear)
            await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            if not process.is_gone:
                await process.terminate()
        process.release()
    first = output.split(b"\t")[0].strip()
    return int(first) * 1024 if first.isdigit() else None


async def free_bytes(path: Path) -> int | None:
    """What is free where a directory is, or will be; nothing when that cannot be told."""
    return await anyio.to_thread.run_sync(_free, path)


def _free(path: Path) -> int | None:
    try:
        while not path.exists() and path != path.parent:
            path = path.parent
        return shutil.disk_usage(path).free
    except OSError:
        return None
