"""What the calls of desktop tools are given, and how their results are written."""

from dataclasses import dataclass
from typing import Annotated, Any

import pydantic_core
from pydantic import Field

from open_agent.core.clock import Clock
from open_agent.mcp.servers.desktop.sessions import Desktops, Session
from open_agent.workspaces.base import Workspace

Pixels = Annotated[int, Field(ge=0, le=10_000)]


@dataclass(frozen=True, slots=True)
class DesktopContext:
    """One call of a desktop tool.

    Attributes:
        workspace: Where screenshots go.
    """

    desktops: Desktops
    workspace: Workspace
    clock: Clock

    def session(self, display: str) -> Session:
        """A running session; see `Desktops.get`."""
        return self.desktops.get(display)


def as_json(**facts: Any) -> str:
    """A result that programs read."""
    return pydantic_core.to_json({"success": True, **facts}).decode()
