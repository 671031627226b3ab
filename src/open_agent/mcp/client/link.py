"""One session with one server, from its start to its end, in a task of its own.

The SDK's scopes must be left by the task that entered them, so that task opens the session, waits,
and closes it; calls come from others. How it ended is a sentence, never an exception of theirs.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import anyio
import mcp_types as types
import structlog
from mcp import MCPError
from mcp.client import Client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from open_agent import __version__
from open_agent.core.clock import Clock
from open_agent.core.mcp import ListedTool, McpListing
from open_agent.mcp.client.failures import ServerEnded, ServerFailed, SessionGone, SignInNeeded
from open_agent.mcp.client.ports import LinkState
from open_agent.mcp.client.sieve import Sieve
from open_agent.models.wire import one_line

PING_EVERY = 30.0
LIST_SECONDS = 30.0
END_SECONDS = 2.0
RELIST_PAUSE = 1.0
"""Between two looks at a list that keeps changing."""
MOST_PAGES = 50
MOST_LISTED = 1_000
FORGOTTEN = "Session terminated"
"""What the SDK says of a server that answers 404."""
CLOSED = (types.CONNECTION_CLOSED, "Connection closed")
"""What the SDK says of a session that has ended; the code alone is used by servers too."""

T = TypeVar("T")
OnEnd = Callable[[str], None]
Connect = Callable[[OnEnd], AbstractAsyncContextManager[Any]]
"""Opens the streams of a session; they call back when nothing more can come."""
OnProgress = Callable[[str], None]

log = structlog.get_logger(__name__)


class Surroundings(Protocol):
    """What a session tells, and what it is told."""

    async def listed(self, listing: McpListing) -> None:
        """Hear what the server offers."""
        ...

    def explain(self, problem: str, /) -> str:
        """A problem as people may see it: without secrets."""
        ...

    def mask(self, said: Any, /) -> Any:
        """What the server says, as JSON, without secrets."""
        ...


class Link:
    """A session with a server. Opened once; when it has ended, another one is made.

    Args:
        connect: Opens its streams.
        around: Is told what the server offers.
        clock: Tells the time.
        idle_seconds: Ends it when nobody has used it for so long.
        ping_seconds: Ends it when it has not answered a ping for so long.
    """

    def __init__(
        self,
        connect: Connect,
        around: Surroundings,
        clock: Clock,
        *,
        idle_seconds: float,
        ping_seconds: float,
    ) -> None:
        self._connect = connect
        self._around = around
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._ping_seconds = ping_seconds
        self._client: Client | None = None
        self._scope = anyio.CancelScope()
        self._ready, self._ended = anyio.Event(), anyio.Event()
        self._again = anyio.Event()
        self._reason: str | None = None
        self._is_sign_in = False
        self._task: asyncio.Task[None] | None = None
        self._sieve = Sieve(None, around.mask)
        self._is_stale = False
        self._at_work = 0
        self._used_at = anyio.current_time()

    @property
    def is_open(self) -> bool:
        """It can be called."""
        return self._client is not None and not self._scope.cancel_called

    @property
    def state(self) -> LinkState:
        """How it stands with it."""
        protocol = self._client.protocol_version if self._client and self.is_open else None
        return LinkState(is_open=self.is_open, error=self._reason, protocol=protocol)

    async def open(self) -> None:
        """Start it, and return when the server has said what it offers.

        Raises:
            ServerFailed: It did not come to that.
        """
        self._task = asyncio.create_task(self._run(), name="mcp")
        try:
            await self._ready.wait()
        except BaseException:
            self.end("It was not waited for.")
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
            raise
        if not self.is_open:
            await self._ended.wait()
            raise self._failure()

    def end(self, reason: str | None = None) -> None:
        """Begin to end it; the first reason counts."""
        if not self._scope.cancel_called:
            self._reason = reason and self._around.explain(reason)
            self._scope.cancel()

    async def close(self, reason: str | None = None) -> None:
        """End it, and return when nothing of it is left."""
        self.end(reason)
        with anyio.CancelScope(shield=True):
            await self._ended.wait()

    async def call(
        self, tool: str, arguments: dict[str, Any], seconds: float, on_progress: OnProgress
    ) -> types.CallToolResult:
        """Call a tool.

        Raises:
            ServerEnded: The session ended meanwhile.
            ServerFailed: There is no answer, or it is no right one.
        """

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            of = f"/{total:g}" if total else ""
            on_progress(f"{one_line(message or 'at work', 200)} ({progress:g}{of})\n")

        return await self._ask(
            lambda client: client.call_tool(tool, arguments, progress_callback=hear), seconds
        )

    async def resources(self) -> list[types.Resource]:
        """What there is to be read."""
        return await self._pages(Client.list_resources, "resources")

    async def templates(self) -> list[types.ResourceTemplate]:
        """Addresses of what there is to be read, with parts to be filled in."""
        return await self._pages(Client.list_resource_templates, "resource_templates")

    async def prompts(self) -> list[types.Prompt]:
        """The prompts it has."""
        return await self._pages(Client.list_prompts, "prompts")

    async def read(self, uri: str, seconds: float) -> types.ReadResourceResult:
        """Read a resource."""
        return await self._ask(lambda client: client.read_resource(uri), seconds)

    async def prompt(
        self, name: str, arguments: dict[str, str], seconds: float
    ) -> types.GetPromptResult:
        """A prompt, filled in."""
        return await self._ask(lambda client: client.get_prompt(name, arguments), seconds)

    async def _ask(self, ask: Callable[[Client], Awaitable[T]], seconds: float) -> T:
        """Ask the server something, and tell failures of asking from answers."""
        if self._client is None or not self.is_open:
            raise self._failure()
        async with self._using():
            try:
                with anyio.fail_after(seconds):
                    return await ask(self._client)
            except TimeoutError:
                self._check()
                raise ServerFailed(
                    f"It did not answer within {seconds:g} seconds; what was asked may have been "
                    "done. Look before you ask again, and ask for less at once."
                ) from None
            except MCPError as error:
                if error.message == FORGOTTEN:
                    self.end("The server has forgotten the session.")
                    raise SessionGone("The server has forgotten the session.") from None
                if (error.code, error.message) == CLOSED:
                    # Why it was is known when all of it has ended.
                    with anyio.move_on_after(END_SECONDS):
                        await self._ended.wait()
                    self.end("The connection was closed.")
                    raise self._failure() from None
                said = self._around.explain(one_line(error.message, 1_000))
                raise ServerFailed(f"It refused: {said} (code {error.code}).") from None
            except (RuntimeError, ValueError, ValidationError) as error:
                # What the SDK makes of answers that break the protocol or the tool's own schema.
                said = self._around.explain(one_line(str(error), 500))
                raise ServerFailed(f"Its answer is not a right one: {said}") from None

    @asynccontextmanager
    async def _using(self) -> AsyncGenerator[None]:
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            self._used_at = anyio.current_time()

    async def _pages(self, page: Callable[..., Awaitable[Any]], of: str) -> Any:
        """All pages of a list, as far as a list can be taken seriously."""
        found: list[Any] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            answer = await self._ask(partial(page, cursor=cursor), LIST_SECONDS)
            found += getattr(answer, of)
            cursor = answer.next_cursor
            if cursor is None or cursor in seen or len(found) >= MOST_LISTED:
                break
            seen.add(cursor)
        return found[:MOST_LISTED]

    def _failure(self) -> ServerFailed:
        kind = SignInNeeded if self._is_sign_in else ServerEnded
        return kind(self._reason or "The session with it has ended.")

    def _check(self) -> None:
        """Look soon whether the server still answers at all."""
        self._used_at = -math.inf
        self._again.set()

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._live()
        except Exception as error:  # boundary: whatever a session ends with is said, once
            self._is_sign_in = _find(error, SignInNeeded) is not None
            if not self._scope.cancel_called:
                self.end(_said(error))
            log.debug("mcp.ended", reason=self._reason, exc_info=True)
        finally:
            self.end("The session was ended.")
            self._ready.set()
            self._ended.set()

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                Client(
                    self._streams(),
                    message_handler=self._hear,
                    client_info=types.Implementation(name="open-agent", version=__version__),
                    cache=None,
                )
            )
            self._client = client
            await self._list()
            self._used_at = anyio.current_time()
            self._ready.set()
            async with anyio.create_task_group() as group:
                if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                    group.start_soon(self._listen, client)
                await self._stay(client)
                group.cancel_scope.cancel()

    @asynccontextmanager
    async def _streams(self) -> AsyncGenerator[Any]:
        async with self._connect(self.end) as (reading, writing):
            self._sieve = Sieve(reading, self._around.mask)
            yield self._sieve, writing

    async def _hear(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._is_stale = True
            self._again.set()

    async def _listen(self, client: Client) -> None:
        """Have newer servers tell of changes, which they only do when they are asked to."""
        try:
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._is_stale = True
                    self._again.set()
        except (MCPError, RuntimeError, TimeoutError):
            log.debug("mcp.not_listening", exc_info=True)

    async def _stay(self, client: Client) -> None:
        """Look after the session until it is ended, or not used for long."""
        while True:
            with anyio.move_on_after(min(PING_EVERY, self._idle_seconds)):
                await self._again.wait()
            self._again = anyio.Event()
            if self._is_stale:
                self._is_stale = False
                await self._list()
                await anyio.sleep(RELIST_PAUSE)
                continue
            idle = anyio.current_time() - self._used_at
            if not self._at_work and math.isfinite(idle) and idle >= self._idle_seconds:
                self.end(None)
                return
            await self._ping(client)

    async def _ping(self, client: Client) -> None:
        """See that it answers; whatever it answers will do."""
        try:
            with anyio.fail_after(self._ping_seconds):
                await client.session.send_ping()
        except TimeoutError:
            self.end(f"It did not answer a ping within {self._ping_seconds:g} seconds.")
        except (MCPError, ValueError, RuntimeError):
            pass
        if not math.isfinite(self._used_at):
            self._used_at = anyio.current_time()

    async def _list(self) -> None:
        client = self._client
        assert client is not None
        info, capabilities = client.server_info, client.server_capabilities
        tools: list[types.Tool] = []
        self._sieve.unfit.clear()
        if capabilities.tools is not None:
            tools = await self._pages(Client.list_tools, "tools")
        listing = McpListing(
            version=one_line(info.version, 60) if info else None,
            tools=(*map(_listed, tools), *self._sieve.unfit[:MOST_LISTED]),
            has_resources=capabilities.resources is not None,
            at=self._clock.now(),
        )
        await self._around.listed(listing)


def _listed(tool: types.Tool) -> ListedTool:
    hints = tool.annotations
    return ListedTool(
        name=tool.name,
        description=tool.description or tool.title or "",
        schema=tool.input_schema,
        is_read_only=bool(hints and hints.read_only_hint),
    )


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first of its kind in an error, in what it groups, and in what it came from."""
    if isinstance(error, kind):
        return error
    for each in (*_grouped(error), error.__cause__, error.__context__):
        found = _find(each, kind) if each is not None else None
        if found is not None:
            return found
    return None


def _grouped(error: BaseException) -> tuple[BaseException, ...]:
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).exceptions
    return ()


def _said(error: BaseException) -> str:
    known = _find(error, ServerFailed)
    while known is None and (inner := _grouped(error)):
        error = inner[0]
    said = one_line(str(known or error), 500)
    return said or type(known or error).__name__
