"""MCP over the standard input and output of a process of ours, for the SDK's session.

The SDK's own client would start a process by itself. Here everything comes through the process
port, in bounded memory: a line that is too long is not kept, what nobody asked for has a limit,
and a server that keeps to neither is ended, which fails its calls and nothing else.
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from open_agent.mcp.client.lines import HEAD_BYTES, MOST_LINE_BYTES, Allowance, Lines, Tail, TooLong
from open_agent.workspaces.processes import Process, ProcessLost

EXIT_GRACE = 2.0
"""Seconds that a server has to end by itself once its input has ended."""
LAST_WORDS = 0.5
"""Seconds in which what an ended server had written is still read."""
MOST_NOISE = 200
"""Lines in a row that are no message; some servers print a greeting."""
MOST_UNANSWERED = 100
"""Requests of the server that we have not answered, because it does not read."""
UNASKED = (2_000, 500)
"""Messages that nobody asked for: at once, and per second."""
UNASKED_BYTES = (32 * 1024 * 1024, 4 * 1024 * 1024)
UNREADABLE = "Its answer cannot be read: it is no JSON, or holds characters that cannot be."

_ANSWERED = re.compile(rb'"id"\s*:\s*(?:"([^"\\]{1,64})"|(\d{1,18}))')

Incoming = SessionMessage | Exception
Streams = tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]


class StdioWire:
    """Messages between a session and a process.

    Args:
        process: Started with its input open.
        stderr: Where its complaints go.
        on_end: Called once, with the reason, when nothing more can come.
    """

    def __init__(self, process: Process, stderr: Tail, on_end: Callable[[str], None]) -> None:
        self._process = process
        self._stderr = stderr
        self._on_end: Callable[[str], None] | None = on_end
        self.is_broken = False
        """It has gone too far to be asked to end."""
        self._noise = 0
        self._asked: dict[str, types.RequestId] = {}
        self._unanswered: set[str] = set()
        now = anyio.current_time()
        self._messages = Allowance(*UNASKED, now)
        self._bytes = Allowance(*UNASKED_BYTES, now)

    def mute(self) -> None:
        """Tell nobody any more how it ended: that was our doing."""
        self._on_end = None

    async def read(self, to: MemoryObjectSendStream[Incoming]) -> None:
        """Hand on what the process writes, until it ends or goes too far."""
        lines = Lines()
        async with to:
            while data := await self._process.stdout.read():
                for line in lines.feed(data):
                    try:
                        problem = await self._take(line, to)
                    except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                        return
                    if problem:
                        self.is_broken = True
                        self._end(problem)
                        return
            self._end(await self._how_it_ended())

    async def watch(self) -> None:
        """Notice the end of the process where something that it started holds its output open."""
        with suppress(ProcessLost):
            await self._process.wait()
        await anyio.sleep(LAST_WORDS)
        self._end(await self._how_it_ended())

    async def write(self, messages: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Hand on what the session says, until it ends or nobody reads."""
        stdin = self._process.stdin
        assert stdin is not None
        async with messages:
            async for each in messages:
                self._note(each.message)
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    await stdin.write(text.encode() + b"\n")
                except BrokenPipeError:
                    self._end(await self._how_it_ended())
                    return

    async def complain(self) -> None:
        """Keep the end of what the process writes to its standard error."""
        while data := await self._process.stderr.read():
            self._stderr.add(data)

    def _end(self, reason: str) -> None:
        if self._on_end is not None:
            self._on_end(reason)

    def _note(self, message: types.JSONRPCMessage) -> None:
        match message:
            case types.JSONRPCRequest():
                self._asked[str(message.id)] = message.id
            case types.JSONRPCNotification(method="notifications/cancelled"):
                self._asked.pop(str((message.params or {}).get("requestId")), None)
            case types.JSONRPCResponse() | types.JSONRPCError():
                self._unanswered.discard(str(message.id))
            case _:
                pass

    async def _take(self, line: bytes | TooLong, to: MemoryObjectSendStream[Incoming]) -> str:
        """Hand a line on; what is wrong when no more can be taken."""
        if isinstance(line, TooLong):
            return await self._refuse(line, to)
        if not line.strip():
            return ""
        try:
            message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            if await self._fail(line[:HEAD_BYTES], UNREADABLE, to):
                return ""
            self._noise += 1
            return "It writes what is not MCP." if self._noise > MOST_NOISE else ""
        self._noise = 0
        is_answer = isinstance(message, types.JSONRPCResponse | types.JSONRPCError)
        if is_answer and self._asked.pop(str(message.id), None) is not None:
            await to.send(SessionMessage(message))
            return ""
        now = anyio.current_time()
        if not (self._messages.take(1, now) and self._bytes.take(len(line), now)):
            return "It floods us with messages that nobody asked for."
        if is_answer:
            return ""
        if isinstance(message, types.JSONRPCRequest):
            self._unanswered.add(str(message.id))
            if len(self._unanswered) > MOST_UNANSWERED:
                return "It asks without reading our answers."
        await to.send(SessionMessage(message))
        return ""

    async def _refuse(self, line: TooLong, to: MemoryObjectSendStream[Incoming]) -> str:
        """Fail the call that a line answers which is too long; all of them when it is not clear."""
        why = f"It answered with more than {MOST_LINE_BYTES:,} bytes at once."
        return "" if await self._fail(line.head, why, to) else why

    async def _fail(self, head: bytes, why: str, to: MemoryObjectSendStream[Incoming]) -> bool:
        """Fail the call that a line answers, as far as its beginning says so; whether it does."""
        found = _ANSWERED.search(head) if head.lstrip().startswith(b"{") else None
        asked = self._asked.pop((found[1] or found[2]).decode(), None) if found else None
        if asked is None:
            return False
        error = types.ErrorData(code=types.INTERNAL_ERROR, message=why)
        await to.send(SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=asked, error=error)))
        return True

    async def _how_it_ended(self) -> str:
        with anyio.move_on_after(LAST_WORDS):
            try:
                code = await self._process.wait()
            except ProcessLost as error:
                return error.message
            return f"It ended by itself, with exit code {code}."
        return "It closed its output."


@asynccontextmanager
async def stdio_streams(
    process: Process, stderr: Tail, on_end: Callable[[str], None]
) -> AsyncGenerator[Streams]:
    """Talk to a process for as long as the context lasts, which ends it with all its children."""
    wire = StdioWire(process, stderr, on_end)
    to_session, from_process = anyio.create_memory_object_stream[Incoming]()
    to_process, from_session = anyio.create_memory_object_stream[SessionMessage]()
    async with anyio.create_task_group() as group:
        group.start_soon(wire.read, to_session)
        group.start_soon(wire.watch)
        group.start_soon(wire.write, from_session)
        group.start_soon(wire.complain)
        try:
            yield from_process, to_process
        finally:
            wire.mute()
            with anyio.CancelScope(shield=True):
                from_process.close()
                to_process.close()
                await _end(process, is_broken=wire.is_broken)
            group.cancel_scope.cancel()
    for stream in (to_session, from_session):
        stream.close()


async def _end(process: Process, *, is_broken: bool) -> None:
    """End its input, wait a moment if it deserves that, then end whatever is left of it."""
    process.release()
    if is_broken:
        await process.terminate(grace=0.1)
        return
    with anyio.move_on_after(EXIT_GRACE), suppress(ProcessLost):
        await process.wait()
    await process.terminate()
