"""One start of an OpenCode server of our own, from its folders to its first answer.

Above: `managed.py`, which does it again when it has to. Everything that a start began ends when
its context is left, with whatever the server had started.
"""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio import to_thread

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeUnreachable
from open_agent.backends.opencode.servers.configuration import Conduct, ModelSource
from open_agent.backends.opencode.servers.home import Home
from open_agent.backends.opencode.servers.server_log import ServerLog
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import Process, ProcessLost

PROBE_SECONDS = 0.5
"""The port opens before anybody answers there; a request of that moment is never answered."""
PORTS_TRIED = 2
"""One that was free a moment ago may be taken."""

_READY = re.compile(rb"listening on http://[^\s:]+:\d+")


@dataclass(frozen=True, slots=True)
class Program:
    """What is started, and with what.

    Attributes:
        path: The program, or its name on the `PATH`.
        source: Where the models are.
        conduct: How it behaves.
        key: Of the model endpoint.
        password: What it asks callers for.
        start_seconds: How long it has to answer.
    """

    path: str
    source: ModelSource
    conduct: Conduct
    key: str | None
    password: str
    start_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers.

    Attributes:
        process: The program.
        client: Speaks to it.
        version: Its version.
        has_plugin: Our plugin is in force.
    """

    process: Process
    client: OpenCodeClient
    version: str
    has_plugin: bool


class Launcher:
    """Starts a server, always at the same port as long as that is free.

    Args:
        isolation: What starts it, and says what it may know of our environment.
        home: Its folders.
        program: What is started.
    """

    def __init__(self, isolation: Isolation, home: Home, program: Program) -> None:
        self._isolation = isolation
        self._home = home
        self._program = program
        self._port = 0
        self._clients: dict[int, OpenCodeClient] = {}
        """By port: one that is held on to finds the server again when it comes back there."""
        self.log = ServerLog(home.log)

    @asynccontextmanager
    async def launch(self) -> AsyncGenerator[Started]:
        """Start it, wait until it answers, and end it with everything it started.

        Raises:
            OpenCodeUnreachable: It did not start, or not in time; the message has its last words.
            OpenCodeVersion: It is another major version.
        """
        await to_thread.run_sync(self._prepare)
        async with AsyncExitStack() as stack:
            try:
                with anyio.fail_after(self._program.start_seconds):
                    started = await self._begin(stack)
            except TimeoutError:
                raise OpenCodeUnreachable(
                    f"OpenCode did not start within {self._program.start_seconds:g} s."
                    f" {self.last_words}OPENCODE_START_SECONDS gives it longer."
                ) from None
            yield started

    def missing(self) -> OpenCodeUnreachable | None:
        """What is wrong where there is no program to start; looks at the disk."""
        search_path = self._isolation.environment().get("PATH")
        if shutil.which(self._program.path, path=search_path) is not None:
            return None
        return self._not_installed("there is no such program")

    async def close(self) -> None:
        """Close the connections."""
        while self._clients:
            await self._clients.popitem()[1].close()

    @property
    def last_words(self) -> str:
        """Why it may have died, as a sentence that another one may follow."""
        said = self.log.last_words
        return f"It said last: {said!r}; the rest is in {self.log.path}. " if said else ""

    def _prepare(self) -> None:
        program, isolation = self._program, self._isolation
        self._home.prepare(
            program.source,
            program.conduct,
            key=program.key,
            outside=isolation.environment(),
            ripgrep=shutil.which(isolation.program("rg")),
        )

    async def _begin(self, stack: AsyncExitStack) -> Started:
        for left in reversed(range(PORTS_TRIED)):
            attempt = await stack.enter_async_context(AsyncExitStack())
            port = self._port or _free_port()
            process = await self._start(attempt, port)
            client = self._client(port)
            version = await self._first_answer(client, process)
            if version is not None:
                self._port = port
                return Started(process, client, version, await self._load(client, process))
            await attempt.aclose()
            self._port = 0
            if not left:
                break
        raise OpenCodeUnreachable(f"OpenCode ended while it started. {self.last_words}".rstrip())

    def _client(self, port: int) -> OpenCodeClient:
        if port not in self._clients:
            address = f"http://127.0.0.1:{port}"
            self._clients[port] = OpenCodeClient(address, self._program.password)
        return self._clients[port]

    async def _start(self, attempt: AsyncExitStack, port: int) -> Process:
        program, home = self._program, self._home
        argv = [program.path, "serve", "--hostname", "127.0.0.1", "--port", str(port)]
        self.log.begin()
        try:
            process = await self._isolation.start(
                [*argv, "--print-logs", "--log-level", "WARN"],
                cwd=home.account,
                env=home.environment(self._isolation.environment(), program.password),
            )
        except OSError as error:
            raise self._not_installed(error.strerror or str(error)) from None
        for pipe in (process.stdout, process.stderr):
            attempt.callback(asyncio.create_task(self.log.follow(pipe)).cancel)
        attempt.callback(process.release)
        attempt.push_async_callback(process.terminate)
        return process

    def _not_installed(self, why: str) -> OpenCodeUnreachable:
        return OpenCodeUnreachable(
            f"{self._program.path} cannot be started ({why}). Install OpenCode with"
            " `npm install -g opencode-ai@1`, or set OPENCODE_PROGRAM to where it is.",
            "opencode.not_installed",
        )

    async def _first_answer(self, client: OpenCodeClient, process: Process) -> str | None:
        """Its version, as soon as it answers; none when it has ended instead."""
        ended = asyncio.create_task(exit_of(process))
        ready = asyncio.create_task(self.log.said(_READY))
        try:
            await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
            while not ended.done():
                try:
                    return await client.version(PROBE_SECONDS)
                except OpenCodeUnreachable:
                    await anyio.sleep(0.05)
            return None
        finally:
            ended.cancel()
            ready.cancel()

    async def _load(self, client: OpenCodeClient, process: Process) -> bool:
        """Have it read a directory as runs will: that loads our plugin, or says what is wrong."""
        await client.models(str(self._home.account))
        await client.dispose(str(self._home.account))
        return await to_thread.run_sync(self._home.loaded(process.pid).exists)


async def exit_of(process: Process) -> str:
    """Wait for a program to end; says how it did."""
    try:
        code = await process.wait()
    except ProcessLost as lost:
        return f"is lost ({lost.code})"
    return f"was ended by signal {-code}" if code < 0 else f"ended by itself (exit code {code})"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
