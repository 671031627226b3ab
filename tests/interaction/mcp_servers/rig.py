"""Our stdio servers as processes, spoken to by the SDK's client or by hand."""

import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import mcp_types as types
from anyio.abc import Process
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.interaction.cli.rig import COMMAND

SECONDS = 20.0
"""How long anything may take on a busy machine."""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": "hello",
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}

Kind = Literal["host", "desktop"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """What a client's configuration gives a server, and nothing of ours."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATA_DIR": str(folder / "data"),
        "TMPDIR": str(folder / "tmp"),
        "OPEN_AGENT_WORKSPACE": str(folder / "work"),
        **more,
    }


def prepare(folder: Path) -> Path:
    """Folders for a server; returns its workspace."""
    for name in ("tmp", "work"):
        (folder / name).mkdir(exist_ok=True)
    return folder / "work"


@asynccontextmanager
async def connected(kind: Kind, folder: Path, **more: str) -> AsyncGenerator[Client]:
    """The SDK's client, connected to a server of ours that it has started."""
    prepare(folder)
    server = StdioServerParameters(
        command=COMMAND, args=["mcp", kind], env=environment(folder, **more), cwd=folder
    )
    with anyio.fail_after(60):
        async with Client(stdio_client(server)) as client:
            yield client


def text_of(result: types.CallToolResult) -> str:
    """What a call returned as text."""
    (block, *_) = result.content
    assert isinstance(block, types.TextContent), block
    return block.text


def facts_of(result: types.CallToolResult) -> dict[str, Any]:
    """What a call returned as JSON, having done what was asked."""
    assert not result.is_error, result
    return json.loads(text_of(result))


@dataclass
class Raw:
    """A server spoken to in lines."""

    process: Process
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    _rest: bytes = b""

    async def send(self, *messages: Mapping[str, Any] | bytes) -> None:
        """Send messages, or lines that are none."""
        assert self.process.stdin is not None
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            await self.process.stdin.send(line + b"\n")

    async def call(self, id_: str | int, method: str, **params: Any) -> None:
        """Send a request."""
        await self.send({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})

    async def next(self) -> dict[str, Any]:
        """The next message; every line must be one."""
        assert self.process.stdout is not None
        with anyio.fail_after(SECONDS):
            while b"\n" not in self._rest:
                self._rest += await self.process.stdout.receive()
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        self.lines.append(message)
        return message

    async def reply(self, id_: str | int | None) -> dict[str, Any]:
        """The reply to a request; whatever comes before it is passed over."""
        while True:
            message = await self.next()
            if "method" not in message and message["id"] == id_:
                return message

    async def ended(self, seconds: float = SECONDS) -> int:
        """Its exit code, once it has ended."""
        with anyio.fail_after(seconds):
            return await self.process.wait()


@asynccontextmanager
async def spoken(
    kind: Kind, folder: Path, *, is_greeted: bool = True, **more: str
) -> AsyncGenerator[Raw]:
    """A server in lines; it is gone in the end."""
    prepare(folder)
    async with await anyio.open_process(
        [COMMAND, "mcp", kind], env=environment(folder, **more), cwd=folder
    ) as process:
        raw = Raw(process)
        try:
            if is_greeted:
                await raw.send(INITIALIZE)
                await raw.reply("hello")
                await raw.send(INITIALIZED)
            yield raw
        finally:
            if process.returncode is None:
                process.kill()
