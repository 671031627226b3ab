"""Servers as people see them: never a secret, and no more than is theirs to know."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from open_agent.core.mcp import HttpTransport, McpServer, SecretKind, StdioTransport
from open_agent.mcp.client.offers import LeftOut
from open_agent.mcp.client.ports import LinkState
from open_agent.services.mcp.drafts import MASK

Status = Literal["connected", "disconnected", "error", "disabled"]


@dataclass(frozen=True, slots=True)
class McpView:
    """A server, how it stands with the caller's session, and what may be seen of both.

    Attributes:
        names: Which secrets it has.
        is_whole: The caller may see how it is configured, and what it complained.
        left_out: What it offers and models do not get.
        missing: What this machine needs before it can be used.
    """

    server: McpServer
    link: LinkState
    names: tuple[tuple[SecretKind, str], ...]
    is_whole: bool
    left_out: tuple[LeftOut, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """In the original's words."""
        if not self.server.is_enabled:
            return "disabled"
        if self.link.is_open:
            return "connected"
        return "error" if self.link.error and not self.link.is_opening else "disconnected"

    @property
    def error(self) -> str | None:
        """What is wrong with it."""
        if self.link.sign_in_url is not None:
            return "Somebody has to sign in: open the link, and come back."
        if self.missing:
            return f"This machine needs: {'; '.join(self.missing)}."
        return self.link.error if self.server.is_enabled else None

    @property
    def endpoint(self) -> str:
        """Where it is: its address, or its command line."""
        match self.server.transport:
            case HttpTransport(endpoint=endpoint):
                return shown_address(endpoint)
            case StdioTransport(command=command, args=args):
                return " ".join((command, *args)) if self.is_whole else command


def shown_address(endpoint: str) -> str:
    """An address with the values of its query masked."""
    parts = urlsplit(endpoint)
    names = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
    return urlunsplit(parts._replace(query="&".join(f"{name}={MASK}" for name in names)))
