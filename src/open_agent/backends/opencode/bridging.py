"""The port of the bridge over which a run's program gets MCP tools; `server/mcp/bridge.py` has it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from open_agent.agent.context import RunContext

IsAsked = Callable[[str, Mapping[str, Any]], bool]
"""Told a tool's name and a call's arguments, says whether the program asks before it makes it."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """Where a run's tools are to be had, and the word that lets in."""

    url: str
    token: str


class Bridging(Protocol):
    """Makes tools of MCP servers reachable for a program outside."""

    async def open(self, ctx: RunContext, is_asked: IsAsked) -> Bridge | None:
        """The tools of the run's mission, until `close`; none when there are none to be had."""
        ...

    async def close(self, bridge: Bridge) -> None:
        """End it, with the calls that are still made through it."""
        ...


class NoBridging:
    """For where there are no MCP servers."""

    async def open(self, ctx: RunContext, is_asked: IsAsked) -> Bridge | None:
        """There is nothing to be had."""
        del ctx, is_asked

    async def close(self, bridge: Bridge) -> None:
        """Nothing was opened."""
        del bridge
