"""Everything here that stands on the SDK, as one value: importing it costs half a second."""

from collections.abc import Awaitable, Callable, Sequence

import mcp_types as types

from open_agent.core.clock import Clock
from open_agent.core.mcp import McpSecret
from open_agent.mcp.client.dialling import Dialler, Given
from open_agent.mcp.client.lines import Tail
from open_agent.mcp.client.link import Connect, Link, Surroundings
from open_agent.mcp.client.masking import Masks
from open_agent.mcp.client.ports import Ground, Json, Keeper, Result, SignIns
from open_agent.mcp.client.results import read_contents, read_result, shown
from open_agent.mcp.client.signing_in import Attended


class Loaded:
    """What `pool.py` needs of it."""

    def dialler(self, ground: Ground, keeper: Keeper) -> Dialler:
        """What reaches servers."""
        return Dialler(ground, keeper)

    def given(self, secrets: Sequence[McpSecret], masks: Masks, stderr: Tail) -> Given:
        """What a session has to itself."""
        return Given(secrets, masks, stderr)

    def link(
        self, connect: Connect, around: Surroundings, clock: Clock, *, idle: float, ping: float
    ) -> Link:
        """A session to be opened; see `Times`."""
        return Link(connect, around, clock, idle_seconds=idle, ping_seconds=ping)

    def attended(
        self, callback: str, show: Callable[[str], Awaitable[None]], sign_ins: SignIns
    ) -> Attended:
        """A person who waits to be shown a link."""
        return Attended(callback, show, sign_ins)

    def read_result(self, answer: types.CallToolResult) -> Result:
        """What came of a call."""
        return read_result(answer)

    def read_contents(self, answer: types.ReadResourceResult) -> Result:
        """What is in a resource."""
        return read_contents(answer)

    def shown(self, items: "Sequence[object]") -> list[Json]:
        """What servers list, as JSON."""
        return shown(items)
