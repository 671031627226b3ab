"""A server made with the official SDK, as anybody would make one: run as a program, over stdio."""

import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

server = MCPServer("small", version="1.2.3")
notes: list[str] = []


def png(width: int = 2, height: int = 2) -> bytes:
    """A small picture."""
    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def remember(text: str) -> list[str]:
    """Remember something, and tell everything that is remembered."""
    notes.append(text)
    return notes


@server.tool()
def environment() -> dict[str, Any]:
    """Tell what this process knows."""
    return {"env": dict(os.environ), "cwd": str(Path.cwd()), "pid": os.getpid()}


@server.tool()
async def wait(ctx: Context, seconds: float, mark: str = "") -> str:
    """Wait, and tell how far it is."""
    try:
        for step in range(3):
            await ctx.report_progress(step, 3, f"step {step}")
            await anyio.sleep(seconds / 3)  # deliberate: it is what it is for
    except anyio.get_cancelled_exc_class():
        if mark:
            Path(mark).write_text("cancelled")
        raise
    return "waited"


@server.tool()
def repeat(command: str) -> str:
    """Tell what one would run."""
    return f"would run {command}"


@server.tool()
def picture() -> Image:
    """Show a picture."""
    return Image(data=png(), format="png")


@server.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@server.tool()
def long(characters: int) -> str:
    """Say much."""
    return "line of text\n" * (characters // 13)


@server.tool()
def die() -> str:
    """End the process."""
    sys.stderr.write(f"dying with {os.environ.get('TOKEN', 'nothing')}\n")
    sys.stderr.flush()
    os._exit(3)


@server.tool()
async def grow(ctx: Context) -> str:
    """Have one more tool from now on."""
    server.add_tool(shrink, name="grown", description="It was not there before.")
    await ctx.notify_tools_changed()
    return "grown"


def shrink() -> str:
    """A tool that comes later."""
    return "here"


@server.resource("notes://all")
def all_notes() -> str:
    """Everything that is remembered."""
    return "\n".join(["notes:", *notes])


@server.prompt()
def greet(name: str) -> str:
    """Greet somebody."""
    return f"Say hello to {name}."


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "http":
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
    server.run("stdio")
