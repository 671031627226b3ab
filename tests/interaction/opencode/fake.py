"""A server that answers as an OpenCode might: of another version, late, or with streams that break.

It stands for programs that are not ours, and only where the real one cannot be brought to it. Run as
a program it takes OpenCode's arguments.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass
class Fake:
    """What it answers."""

    version: str = "1.18.33"
    password_header: str | None = None
    """Anything else in `authorization` is answered 401."""
    mute: int = 0
    """So many requests are never answered, as by the real one when its port has just opened."""
    has_health: bool = True
    children: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    providers: Json = field(default_factory=lambda: {"providers": [], "default": {}})
    streams: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])
    """Event streams that are open."""
    opened: int = 0
    asked: list[str] = field(default_factory=list[str])
    _stream_came: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    async def serve(self, port: int = 0) -> "Serving":
        return Serving(self, await asyncio.start_server(self._handle, "127.0.0.1", port))

    async def stream(self, number: int) -> None:
        """Return when the stream of this number, from 1, is open."""
        while self.opened < number:
            self._stream_came.clear()
            await self._stream_came.wait()

    async def say(self, kind: str, **properties: Any) -> None:
        """An event on every open stream."""
        payload = {"id": "evt_1", "type": kind, "properties": properties}
        await self.write(f"data: {json.dumps({'directory': '/', 'payload': payload})}\n\n".encode())

    async def write(self, data: bytes) -> None:
        for writer in self.streams:
            writer.write(data)
            await writer.drain()

    def cut(self) -> None:
        """Every open stream ends in the middle, as when a cable is pulled."""
        while self.streams:
            self.streams.pop().transport.abort()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while line := await reader.readline():
                headers = await self._headers(reader)
                method, target, _ = line.decode().split(" ", 2)
                length = int(headers.get("content-length", "0"))
                await reader.readexactly(length)
                path = target.partition("?")[0]
                self.asked.append(f"{method} {path}")
                if self.mute:
                    self.mute -= 1
                    await reader.read()
                    return
                if path == "/global/event":
                    await self._open_stream(writer)
                    await reader.read()
                    return
                await self._answer(writer, path, headers)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(writer)
            writer.transport.abort()

    async def close(self) -> None:
        """End every connection, and wait for those who served them."""
        for writer in list(self._connections):
            writer.transport.abort()
        while self._connections:
            await asyncio.sleep(0)

    async def _headers(self, reader: asyncio.StreamReader) -> dict[str, str]:
        found: dict[str, str] = {}
        while line := (await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            found[name.lower()] = value.strip()
        return found

    async def _open_stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        await writer.drain()
        self.streams.append(writer)
        self.opened += 1
        self._stream_came.set()
        await self.say("server.connected")

    async def _answer(
        self, writer: asyncio.StreamWriter, path: str, headers: dict[str, str]
    ) -> None:
        status, body = self._find(path)
        if (
            self.password_header is not None
            and headers.get("authorization") != self.password_header
        ):
            status, body = 401, b""
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    def _find(self, path: str) -> tuple[int, bytes]:
        match path.strip("/").split("/"):
            case ["global", "health"] if self.has_health:
                return 200, json.dumps({"healthy": True, "version": self.version}).encode()
            case ["config", "providers"]:
                return 200, json.dumps(self.providers).encode()
            case ["session", session_id, "children"]:
                below = self.children.get(session_id, [])
                return 200, json.dumps(
                    [{"id": id_, "parentID": session_id} for id_ in below]
                ).encode()
            case ["instance", "dispose"]:
                return 200, b"true"
            case _:
                return 404, b'{"name":"NotFoundError","data":{"message":"no such path"}}'


@dataclass
class Serving:
    """A fake that listens."""

    fake: Fake
    server: asyncio.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self.server.close()
        await self.fake.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--version", default="1.18.33")
    parser.add_argument("--mute", type=int, default=0)
    parser.add_argument("--silent", action="store_true")
    parser.add_argument("--dies", default="")
    arguments, theirs = parser.parse_known_args()
    if arguments.dies:
        raise SystemExit(arguments.dies)
    port = int(theirs[theirs.index("--port") + 1])
    serving = await Fake(version=arguments.version, mute=arguments.mute).serve(port)
    if not arguments.silent:
        sys.stdout.write(f"opencode server listening on {serving.url}\n")
        sys.stdout.flush()
    await serving.server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
