"""A screen: an X server whose number nobody else has, and that only this account can open."""

import struct
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from open_agent.core.ids import new_uuid
from open_agent.mcp.servers.desktop.programs import DISPLAY
from open_agent.mcp.servers.desktop.running import Surroundings, start
from open_agent.tools.definition import ToolFailed
from open_agent.workspaces.processes import Process

START_SECONDS = 20.0

_ANY_HOST = 0xFFFF


@dataclass(frozen=True, slots=True)
class Display:
    """A running X server.

    Attributes:
        name: As `DISPLAY` has it.
        authority: The file that opens it, as `XAUTHORITY` has it.
    """

    name: str
    authority: Path
    process: Process


async def start_display(around: Surroundings, folder: Path, resolution: str) -> Display:
    """Start an X server.

    It chooses its own number, the first whose socket nobody has, so that two of them, of whatever
    programs, cannot have the same. It makes no lock file, and nothing here touches anybody's.

    Raises:
        ToolFailed: It does not start, or is not installed.
    """
    authority = folder / "Xauthority"
    await to_thread.run_sync(_write_authority, authority)
    process = await start(
        around,
        DISPLAY,
        *("-displayfd", "1"),
        *("-screen", "0", f"{resolution}x24"),
        *("-auth", str(authority)),
        *("-nolisten", "tcp"),
        "-noreset",
    )
    try:
        with anyio.move_on_after(START_SECONDS):
            number = await _first_line(process)
            if number.isdecimal():
                process.release()
                return Display(f":{number}", authority, process)
        complaint = ""
        with anyio.move_on_after(1):
            complaint = (await process.stderr.read()).decode(errors="replace").strip()
        raise ToolFailed(f"The X server does not start. {complaint[-500:]}".rstrip())
    except BaseException:
        await process.terminate()
        process.release()
        raise


async def _first_line(process: Process) -> str:
    said = b""
    while b"\n" not in said and (data := await process.stdout.read()):
        said += data
    return said.partition(b"\n")[0].decode(errors="replace").strip()


def _write_authority(path: Path) -> None:
    """A secret that whoever opens the display must know: without one, every account could."""
    parts = (b"", b"", b"MIT-MAGIC-COOKIE-1", bytes.fromhex(new_uuid().replace("-", "")))
    record = struct.pack(">H", _ANY_HOST)
    record += b"".join(struct.pack(">H", len(part)) + part for part in parts)
    path.touch(mode=0o600)
    path.write_bytes(record)
