"""The port of the bridge over which a run's program gets MCP tools; `server/mcp_bridge.py` has it."""

from dataclasses import dataclass
from typing import Protocol

from open_agent.agent.context import RunContext


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where a run's tools are to be had, and the word that lets in."""

    url: str
    token: str


class Bridging(Protocol):
    """Makes tools of MCP servers reachable for a program outside."""

    async def open(self, ctx: RunContext) -> Bridge | None:
        """The tools of the run's mission, until `close`; none when there are none to be had."""
        ...

    async def close(self, bridge: Bridge) -> None:
        """End it, with the calls that are still made through it."""
        ...


class NoBridging:
    """For where there are no MCP servers."""

    async def open(self, ctx: RunContext) -> Bridge | None:
        """There is nothing to be had."""
        del ctx

    async def close(self, bridge: Bridge) -> None:
        """Nothing was opened."""
        del bridge
