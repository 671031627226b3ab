"""Reaching a configured server: starting its program, or opening connections to its address.

The module that brings the SDK in; `pool.py` imports it when the first server is needed.
"""

import logging
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
from anyio import to_thread
from mcp.client.streamable_http import streamable_http_client

from open_agent.core.clock import Clock
from open_agent.core.mcp import HttpTransport, McpSecret, McpServer, SecretKind, StdioTransport
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.folders import make_folder, remove_folder
from open_agent.mcp.client.http import http_client
from open_agent.mcp.client.lines import MOST_LINE_BYTES, Tail
from open_agent.mcp.client.link import Connect, OnEnd
from open_agent.mcp.client.masking import Masks
from open_agent.mcp.client.ports import Ground, Keeper, Place
from open_agent.mcp.client.presets import arguments
from open_agent.mcp.client.signing_in import Attended, provider
from open_agent.mcp.client.stdio import stdio_streams
from open_agent.workspaces.environment import DEFAULTS
from open_agent.workspaces.processes import SERVER, ProcessLost, ProcessOwner

PASSED = ("PATH", "HOME", "LANG", "TMPDIR")
"""What a server learns of our own environment."""
WORKSPACE = "OPEN_AGENT_WORKSPACE"
"""What tells a server of one mission where it works, as the original has it."""


OURS = "open-agent"


def quiet() -> None:
    """Let the SDK log nothing: it would, for each line a server gets wrong, with what it said."""
    for name in ("mcp", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Given:
    """What a session has to itself.

    Attributes:
        masks: What of the secrets is taken out of what is said; it learns of new ones.
        stderr: Where the complaints of a program go.
    """

    secrets: Sequence[McpSecret]
    masks: Masks
    stderr: Tail


class Dialler:
    """Reaches servers."""

    def __init__(self, ground: Ground, keeper: Keeper) -> None:
        self._ground = ground
        self._keeper = keeper
        quiet()

    def connect(
        self,
        server: McpServer,
        place: Place,
        given: Given,
        attended: Attended | None,
    ) -> Connect:
        """How to open the streams of a session with a server."""
        match server.transport:
            case StdioTransport() as transport:
                env = _values(given.secrets, SecretKind.ENV)
                program = _Program(server, transport, place, env, given.stderr)
                return lambda on_end: self._start(program, on_end)
            case HttpTransport() as transport:
                kept = _Kept(self._keeper, self._ground.clock, server, place, given)
                return lambda on_end: self._reach(transport, kept, attended)

    @asynccontextmanager
    async def _start(self, program: "_Program", on_end: OnEnd) -> AsyncGenerator[Any]:
        ground = self._ground
        folder = await to_thread.run_sync(make_folder, ground.folder)
        try:
            env = self._environment(program, folder)
            argv = await to_thread.run_sync(lambda: program.argv(env["PATH"], folder))
            mission_id = program.place.mission_id
            try:
                process = await ground.isolation.start(
                    argv,
                    cwd=await self._cwd(program, folder),
                    env=env,
                    owner=ProcessOwner(mission_id) if mission_id else SERVER,
                    stdin=True,
                )
            except OSError as error:
                what = error.filename or argv[0]
                raise ServerFailed(
                    f"It cannot be started: {what}: {error.strerror or error}."
                ) from error
            except ProcessLost as error:
                raise ServerFailed(error.message) from error
            async with stdio_streams(process, program.stderr, on_end) as streams:
                yield streams
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(remove_folder, ground.folder, folder)

    @asynccontextmanager
    async def _reach(
        self, transport: HttpTransport, kept: "_Kept", attended: Attended | None
    ) -> AsyncGenerator[Any]:
        headers = _values(kept.secrets, SecretKind.HEADER)
        is_signed = any(name.lower() == "authorization" for name in headers)
        auth = None if is_signed else provider(transport, kept, attended)
        endpoint = _with_query(transport.endpoint, _values(kept.secrets, SecretKind.QUERY))
        # 20 ms to read the certificates.
        client = await to_thread.run_sync(http_client, headers, auth)
        async with (
            client,
            streamable_http_client(
                endpoint, http_client=client, max_sse_event_size=MOST_LINE_BYTES
            ) as streams,
        ):
            yield streams

    def _environment(self, program: "_Program", folder: Path) -> dict[str, str]:
        known = {**DEFAULTS, **self._ground.isolation.environment()}
        env = {name: known[name] for name in PASSED if name in known}
        if program.place.mission_id:
            # What a browser leaves behind goes with it, however it ends.
            env["TMPDIR"] = str(folder)
        if program.place.workspace:
            env[WORKSPACE] = str(program.place.workspace)
        if not program.is_ours:
            return {**env, **program.env}
        return {**env, **self._ground.own, **program.env, **self._ground.rules}

    async def _cwd(self, program: "_Program", folder: Path) -> Path:
        if program.transport.cwd:
            return Path(program.transport.cwd)
        if program.place.mission_id:
            return folder
        working_dir = self._ground.working_dir
        await to_thread.run_sync(lambda: working_dir.mkdir(parents=True, exist_ok=True))
        return working_dir


@dataclass(frozen=True, slots=True)
class _Program:
    """A program to be started."""

    server: McpServer
    transport: StdioTransport
    place: Place
    env: dict[str, str]
    stderr: Tail

    @property
    def is_ours(self) -> bool:
        """It is a server of ours, so that our settings count for it."""
        return Path(self.transport.command).name == OURS

    def argv(self, search_path: str, folder: Path) -> list[str]:
        """Its command line."""
        command = self.transport.command
        if command == OURS:
            # Wherever it is installed.
            beside = Path(sys.executable).with_name(OURS)
            command = str(beside) if beside.exists() else command
        args = arguments(
            self.server.preset,
            self.transport.args,
            search_path,
            folder=str(folder),
            is_root=os.geteuid() == 0,
        )
        return [command, *args]


class _Kept:
    """What signing in has given, of one user with one server."""

    def __init__(
        self,
        keeper: Keeper,
        clock: Clock,
        server: McpServer,
        place: Place,
        given: Given,
    ) -> None:
        self.secrets = given.secrets
        self._masks = given.masks
        self._keeper = keeper
        self._clock = clock
        self._server = server
        self._owner = place.owner
        self._values = _values(given.secrets, SecretKind.OAUTH)

    def get(self, name: str) -> str | None:
        """What is kept under a name."""
        return self._values.get(name)

    def now(self) -> float:
        """The wall clock, in seconds."""
        return self._clock.now().timestamp()

    async def put(self, name: str, value: str) -> None:
        """Keep it from now on."""
        self._values[name] = value
        self._masks.learn(McpSecret(SecretKind.OAUTH, name, value))
        await self._keeper.keep_oauth(self._server, self._owner, name, value)


def _values(secrets: Sequence[McpSecret], kind: SecretKind) -> dict[str, str]:
    return {each.name: each.value for each in secrets if each.kind is kind}


def _with_query(endpoint: str, query: dict[str, str]) -> str:
    parts = urlsplit(endpoint)
    given = [(n, query.get(n, v)) for n, v in parse_qsl(parts.query, keep_blank_values=True)]
    return urlunsplit(parts._replace(query=urlencode(given)))
