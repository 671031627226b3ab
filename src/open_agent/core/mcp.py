"""MCP servers as they are configured, and what they were last seen to offer. Holds no secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from open_agent.core.ids import UserId


@dataclass(frozen=True, slots=True)
class StdioTransport:
    """A program that is started, and talked to through its standard input and output.

    Attributes:
        cwd: Where it starts; empty where it does not matter.
    """

    command: str
    args: tuple[str, ...] = ()
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class HttpTransport:
    """A server that is reached by streamable HTTP.

    Attributes:
        endpoint: Its address, without credentials and without the values of its query.
        client_id: What an OAuth server knows us as; empty when it is to be asked for one.
        oauth_scope: What to ask for; empty for what the server names.
    """

    endpoint: str
    client_id: str = ""
    oauth_scope: str = ""


Transport = StdioTransport | HttpTransport


CLIENT_SECRET = "client_secret"  # noqa: S105 - its name
"""What of `OAUTH` is a server's configuration, and not what signing in has given."""


class SecretKind(StrEnum):
    """What a secret of a server is for."""

    ENV = "env"
    """A variable of its environment."""
    HEADER = "header"
    QUERY = "query"
    """A parameter of its address."""
    OAUTH = "oauth"
    """What signing in has given, for one user."""


@dataclass(frozen=True, slots=True)
class McpSecret:
    """Something that only the server itself is to know."""

    kind: SecretKind
    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as a server describes it; nothing about it has been checked.

    Attributes:
        is_read_only: It says of itself that it changes nothing.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    is_read_only: bool = False


@dataclass(frozen=True, slots=True)
class McpListing:
    """What a server has said of itself.

    Attributes:
        version: Its own.
        has_resources: It has things to read.
        at: When it was last connected to.
    """

    version: str | None = None
    tools: tuple[ListedTool, ...] = ()
    has_resources: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class McpServer:
    """A configured server.

    Attributes:
        owner_id: Who configured it.
        is_shared: It is for everybody, by an administrator's word; otherwise for its owner alone.
        preset: Which of the servers that come with us it is; empty for any other.
        is_per_mission: It keeps state, so that each mission gets a process of its own.
        is_trusted: What it says of its tools is believed.
        call_seconds: How long a call may take; none for the default.
        calls: How many calls of its tools were made, and how many of them failed.
    """

    id: str
    owner_id: UserId
    is_shared: bool
    name: str
    transport: Transport
    created_at: datetime
    description: str | None = None
    is_enabled: bool = True
    preset: str = ""
    is_per_mission: bool = False
    is_trusted: bool = False
    call_seconds: int | None = None
    listing: McpListing = McpListing()
    calls: int = 0
    errors: int = 0
