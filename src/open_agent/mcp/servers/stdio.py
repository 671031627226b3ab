"""A server for the one client at the other end of this process's standard streams.

The client decides how long it lives: when its input ends, everything ends. Nothing else may write
to standard output, so it is moved out of the way of prints and libraries first.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import mcp_types as types
import pydantic_core
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.lowlevel.server import Server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from open_agent.mcp.servers.lines import TOO_LONG, Lines
from open_agent.workspaces.pipes import PipeReader, PipeWriter
from open_agent.workspaces.processes import ByteReader, ByteWriter

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of one message. Four million characters are what a tool takes as arguments."""
LAST_WORDS = 1.0
"""Seconds in which what was being answered when the client ended its input is still written."""

Incoming = MemoryObjectSendStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


async def serve_stdio(server: Server[Any]) -> None:
    """Serve until the client has gone, which ends all calls in hand."""
    with _standard_streams() as (reader, writer):
        async with _connected(reader, writer) as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())


@contextmanager
def _standard_streams() -> Generator[tuple[PipeReader, PipeWriter]]:
    """The standard streams for the protocol alone.

    Whatever else reads finds nothing, and whatever else prints does so on standard error.
    """
    theirs = [os.dup(fd) for fd in (0, 1)]
    was_blocking = [os.get_blocking(fd) for fd in theirs]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    reader, writer = PipeReader(os.dup(theirs[0])), PipeWriter(os.dup(theirs[1]))
    try:
        yield reader, writer
    finally:
        reader.close()
        writer.close()
        for fd, saved, is_blocking in zip((0, 1), theirs, was_blocking, strict=True):
            # A terminal is the next program's, too.
            os.set_blocking(saved, is_blocking)
            os.dup2(saved, fd)
            os.close(saved)


@asynccontextmanager
async def _connected(
    reader: ByteReader, writer: ByteWriter
) -> AsyncGenerator[
    tuple[
        MemoryObjectReceiveStream[SessionMessage | Exception],
        MemoryObjectSendStream[SessionMessage],
    ]
]:
    """The byte streams as the SDK's streams of messages."""
    send_in, receive_in = anyio.create_memory_object_stream[SessionMessage | Exception]()
    send_out, receive_out = anyio.create_memory_object_stream[SessionMessage]()
    async with anyio.create_task_group() as group:
        is_written = anyio.Event()
        group.start_soon(_write, receive_out, writer, is_written)
        group.start_soon(_read, reader, send_in, send_out.clone())
        yield receive_in, send_out
        with anyio.move_on_after(LAST_WORDS):
            await is_written.wait()
        group.cancel_scope.cancel()


async def _read(reader: ByteReader, incoming: Incoming, outgoing: Outgoing) -> None:
    lines = Lines(LONGEST_LINE)
    async with incoming, outgoing:
        while data := await reader.read():
            for line in lines.add(data):
                message = _message(line)
                if isinstance(message, types.JSONRPCError):
                    await outgoing.send(SessionMessage(message))
                elif message is not None:
                    await incoming.send(SessionMessage(message))


def _message(line: bytes) -> types.JSONRPCMessage | None:
    """What a line says; of one that says nothing right, the error to answer; none if it is blank."""
    if line == TOO_LONG:
        return _error(types.PARSE_ERROR, f"A message has at most {LONGEST_LINE:,} bytes.")
    if not line.strip():
        return None
    try:
        said: object = pydantic_core.from_json(line)
    except ValueError:
        return _error(types.PARSE_ERROR, "This line is not JSON.")
    with contextlib.suppress(ValidationError):
        message = types.jsonrpc_message_adapter.validate_python(said, by_name=False)
        # One with an id that is none is no notification: its sender waits for an answer.
        if not (isinstance(message, types.JSONRPCNotification) and _has_id(said)):
            return message
    return _error(types.INVALID_REQUEST, "This line is not one JSON-RPC 2.0 message.")


def _has_id(said: object) -> bool:
    return isinstance(said, dict) and "id" in said


def _error(code: int, message: str) -> types.JSONRPCError:
    return types.JSONRPCError(
        jsonrpc="2.0", id=None, error=types.ErrorData(code=code, message=message)
    )


async def _write(
    outgoing: MemoryObjectReceiveStream[SessionMessage], writer: ByteWriter, is_written: anyio.Event
) -> None:
    # Where nobody reads any more, those who send are told so by the stream that is closed here.
    async with outgoing:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            async for message in outgoing:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                await writer.write(text.encode() + b"\n")
    is_written.set()
