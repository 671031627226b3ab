"""An OpenCode server that was there before us: looked at before it is used, never started or ended.

Above: the run loop, by the port in `server.py`.
"""

import asyncio
import ipaddress
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeUnsafe
from open_agent.backends.opencode.protocol.feed import Feed
from open_agent.backends.opencode.protocol.transport import CallDeadlines
from open_agent.backends.opencode.servers.server import ServerState
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId

LOOK_AGAIN_SECONDS = 30.0
"""How long a server that was found good is not looked at again; it may have been replaced since."""
STATE_SECONDS = 5.0
"""How long what health was told is good."""
FIRST_LOOK_SECONDS = 0.5
"""How long health waits for the first look of all; later it is told what was found last."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an OpenCode server is, and what we accept of it.

    Attributes:
        base_url: Its address.
        password: Which it was started with.
        may_be_open: One that asks for no password is used wherever it is.
    """

    base_url: str
    password: str | None = None
    may_be_open: bool = False


class AttachedServer:
    """An OpenCode server by its address; see `OpenCodeServer`.

    Args:
        address: Where it is.
        deadlines: How long calls may take.
        is_near: Whether an address is this machine's alone.
    """

    is_managed = False

    def __init__(
        self,
        address: Address,
        deadlines: CallDeadlines | None = None,
        is_near: Callable[[str], bool] | None = None,
    ) -> None:
        self._address = address
        self._is_near = is_near or is_this_machine
        self._client = OpenCodeClient(address.base_url, address.password, deadlines)
        self._state = ServerState("attached", "starting", address.base_url)
        self._state_at = -math.inf
        self._looking: asyncio.Task[None] | None = None
        self.feed = Feed(self.client)

    async def client(self) -> OpenCodeClient:
        """The client, once the server has been found good."""
        if self._state.phase != "ready" or self._age > LOOK_AGAIN_SECONDS:
            await self._look()
        return self._client

    async def state(self, *, is_fresh: bool = False) -> ServerState:
        """How it is. What was found last is good for a moment, and while it is looked again."""
        if is_fresh or self._age > STATE_SECONDS:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_for_state())
            timeout = None if is_fresh else FIRST_LOOK_SECONDS if self._age == math.inf else 0
            await asyncio.wait({self._looking}, timeout=timeout)
        return self._state

    async def end_session_processes(self, *session_ids: str) -> int:
        """Nothing: its commands carry no mark of ours, and may run on another machine."""
        return 0

    def hold(self, mission_id: MissionId) -> None:
        """Nothing: whoever started it keeps it running."""

    def release(self, mission_id: MissionId) -> None:
        """Nothing: it was not held."""

    async def end(self) -> bool:
        """Nothing: it is not ours to end."""
        return False

    async def close(self) -> None:
        """Let go of it."""
        await self.feed.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self._client.close()

    @property
    def _age(self) -> float:
        """Seconds since it was looked at; without end where it never was."""
        return anyio.current_time() - self._state_at

    async def _look_for_state(self) -> None:
        with suppress(OpenAgentError):
            await self._look()

    async def _look(self) -> None:
        """Look at it; what is found, good or bad, is its state from now on."""
        url = self._client.base_url
        try:
            version = await self._client.version()
            if not self._address.may_be_open:
                await self._refuse_an_open_one()
        except OpenAgentError as error:
            version = error.details.get("version") or self._state.version
            self._tell(ServerState("attached", "failed", url, version, error.code, error.message))
            raise
        self._tell(ServerState("attached", "ready", url, version))

    def _tell(self, state: ServerState) -> None:
        self._state, self._state_at = state, anyio.current_time()

    async def _refuse_an_open_one(self) -> None:
        """One that anybody can drive runs anybody's commands; on this machine, that is its owner's."""
        url, password = self._address.base_url, self._address.password
        if password is None and self._is_near(url):
            return
        if not await self._client.is_open():
            return
        if password is not None:
            raise OpenCodeUnsafe(
                f"OpenCode at {url} answers without the password that is set here, so it was started"
                " without one, or something else answers there. Start it with"
                " OPENCODE_SERVER_PASSWORD, or set OPENCODE_ALLOW_UNAUTHENTICATED=true."
            )
        raise OpenCodeUnsafe(
            f"OpenCode at {url} is on another machine and asks for no password: whoever can reach it"
            " can run commands there. Start it with OPENCODE_SERVER_PASSWORD and set the same here,"
            " or set OPENCODE_ALLOW_UNAUTHENTICATED=true."
        )


def is_this_machine(url: str) -> bool:
    """Whether an address is this machine's alone."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
