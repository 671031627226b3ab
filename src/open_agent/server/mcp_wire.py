"""The JSON of MCP servers, as the original's clients know it.

Fields after `tool_errors` are ours; clients of the original pass over them.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.mcp import HttpTransport, SecretKind, StdioTransport
from open_agent.server.wire import Wire
from open_agent.services.mcp.drafts import (
    MASK,
    HttpDraft,
    ServerDraft,
    StdioDraft,
    TransportDraft,
    unfit,
)
from open_agent.services.mcp.views import McpView

STARTED = "Refresh started in background"

Secrets = dict[str, str | None]


class StdioConfig(BaseModel):
    """A program to start."""

    command: str | None = Field(default=None, description="The program: a name, or its path.")
    args: list[str] | None = Field(default=None, description="Its arguments.")
    env: Secrets = Field(
        default={},
        description="Variables beside `PATH`, `HOME`, `LANG` and `TMPDIR`. They are kept apart and "
        f"shown as `{MASK}`, which, written back, keeps them; so does leaving them out. Null takes "
        "one away.",
    )
    cwd: str | None = Field(default=None, description="Where it starts, as an absolute path.")


class HttpConfig(BaseModel):
    """An address to speak streamable HTTP with."""

    endpoint: str | None = Field(
        default=None, description="The address. The values of its query are kept as secrets."
    )
    headers: Secrets = Field(default={}, description="Headers, kept and shown as `env` is.")
    client_id: str | None = Field(
        default=None, description="As what OAuth knows this server; without one, it is registered."
    )
    client_secret: str | None = Field(default=None, description="What goes with it.")
    scope: str | None = Field(default=None, description="What to ask for when signing in.")


class TransportConfig(BaseModel):
    """How a server is reached: one of the two."""

    stdio: StdioConfig | None = Field(default=None, description="By starting it.")
    http: HttpConfig | None = Field(default=None, description="By its address.")


class McpFields(BaseModel):
    """What can be said of a server."""

    endpoint: str | None = Field(default=None, description="Short for `transport.http.endpoint`.")
    transport: TransportConfig | None = Field(default=None, description="How it is reached.")
    description: str | None = Field(default=None, description="What it is for.")
    enabled: bool | None = Field(default=None, description="Whether it may be used.")
    shared: bool | None = Field(
        default=None,
        description="For everybody, which only administrators may say and is what they mean; "
        "otherwise for the caller alone.",
    )
    per_mission: bool | None = Field(
        default=None, description="It keeps state: each mission gets a process of its own."
    )
    trusted: bool | None = Field(
        default=None,
        description="What it says of its tools is believed: those that only read run side by side, "
        "and again after a crash.",
    )
    timeout_seconds: int | None = Field(
        default=None, description="How long a call may take; 0 means as long as by default."
    )


class CreateMcp(McpFields):
    """A new server."""

    name: str = Field(description="1 to 64 characters; its tools' names begin with it.")


class ChangeMcp(McpFields):
    """What is to become of a server; what is left out stays as it is."""

    name: str | None = Field(default=None, description="Another name.")


class ImportMcp(BaseModel):
    """Servers as other tools write them."""

    model_config = ConfigDict(populate_by_name=True)

    mcp_servers: dict[str, Any] | None = Field(
        default=None, alias="mcpServers", description="By name, as most tools have them."
    )
    servers: dict[str, Any] | list[Any] | None = Field(
        default=None, description="The same under another name, or the original's list."
    )
    mcp: dict[str, Any] | None = Field(default=None, description="As OpenCode has them.")
    shared: bool | None = Field(default=None, description="As for one server.")


class ToolDescriptor(Wire):
    """A tool as the server describes it."""

    name: str = Field(description="The server's own name for it.")
    description: str = Field(description="What it does, in the server's words.")
    inputSchema: dict[str, Any] = Field(description="What it takes, as JSON schema.")  # noqa: N815


class LeftOutTool(Wire):
    """A tool that models are not offered."""

    name: str = Field(description="The server's own name for it.")
    why: str = Field(description="What is wrong with it.")


class McpServerState(Wire):
    """A server, how it is configured, and how it stands with it."""

    id: str = Field(description="The server's id.")
    name: str = Field(description="Its name.")
    transport: dict[str, Any] = Field(
        description="`{stdio: {command, args, env, cwd}}` or `{http: {endpoint, headers, …}}`; of a "
        "server for everybody, only administrators see arguments and names of secrets."
    )
    endpoint: str = Field(description="Its address, or its command line.")
    description: str | None = Field(description="What it is for.")
    enabled: bool = Field(description="Whether it may be used.")
    version: str | None = Field(description="The server's own version.")
    tools: list[str] = Field(description="The names of its tools, as the server has them.")
    tool_descriptors: list[ToolDescriptor] = Field(description="The tools themselves.")
    created_at: datetime = Field(description="When it was added.")
    last_connected_at: datetime | None = Field(description="When it last answered.")
    status: Literal["connected", "disconnected", "error", "disabled"] = Field(
        description="How it stands with the caller's session. `disconnected` is one that nobody "
        "needs now: it begins when it is needed."
    )
    error: str | None = Field(description="What is wrong, and what may help.")
    tool_calls: int = Field(description="Calls of its tools, for all users.")
    tool_errors: int = Field(description="How many of them failed.")
    shared: bool = Field(description="It is for everybody.")
    per_mission: bool = Field(description="Each mission gets a process of its own.")
    trusted: bool = Field(description="What it says of its tools is believed.")
    timeout_seconds: int | None = Field(description="How long a call may take, if not as usual.")
    connecting: bool = Field(description="A session is being begun.")
    protocol_version: str | None = Field(description="The version of MCP that is spoken.")
    left_out: list[LeftOutTool] = Field(description="Tools that models are not offered, and why.")
    missing: list[str] = Field(description="What this machine needs first, and how to get it.")
    sign_in_url: str | None = Field(description="Where somebody has to sign in, for 10 minutes.")
    stderr: str | None = Field(description="The end of what it complained, without secrets.")


class Done(Wire):
    """It is done."""

    success: Literal[True] = Field(default=True, description="Always true.")


class RefreshStarted(Done):
    """It goes on in the background."""

    message: str = Field(default=STARTED, description="For a person.")


class SkippedServer(Wire):
    """A server that was not taken over."""

    name: str = Field(description="Its name.")
    why: str = Field(description="Why not.")


class Imported(Wire):
    """What came of an import."""

    added: list[McpServerState] = Field(description="What was added.")
    skipped: list[SkippedServer] = Field(description="What was not; nothing is replaced.")


def draft_of(body: CreateMcp | ChangeMcp) -> ServerDraft:
    """What somebody has written of a server."""
    return ServerDraft(
        name=body.name,
        transport=_transport(body),
        description=body.description,
        is_enabled=body.enabled,
        is_shared=body.shared,
        is_per_mission=body.per_mission,
        is_trusted=body.trusted,
        call_seconds=body.timeout_seconds,
    )


def _transport(body: McpFields) -> TransportDraft | None:
    given = body.transport
    if given is not None and given.stdio is not None and given.http is None:
        stdio = given.stdio
        return StdioDraft(stdio.command, stdio.args, stdio.env, stdio.cwd)
    if given is not None and given.http is not None and given.stdio is None:
        http = given.http
        return HttpDraft(
            http.endpoint or body.endpoint,
            http.headers,
            http.client_id,
            http.client_secret,
            http.scope,
        )
    if given is not None:
        raise unfit("`transport` has either `stdio` or `http`.")
    return HttpDraft(body.endpoint) if body.endpoint else None


def shown(view: McpView) -> McpServerState:
    """A server as clients see it."""
    server, link = view.server, view.link
    tools = server.listing.tools
    return McpServerState(
        id=server.id,
        name=server.name,
        transport=_shown_transport(view),
        endpoint=view.endpoint,
        description=server.description,
        enabled=server.is_enabled,
        version=server.listing.version,
        tools=[tool.name for tool in tools],
        tool_descriptors=[
            ToolDescriptor(
                name=tool.name, description=tool.description, inputSchema=dict(tool.schema)
            )
            for tool in tools
        ],
        created_at=server.created_at,
        last_connected_at=server.listing.at,
        status=view.status,
        error=view.error,
        tool_calls=server.calls,
        tool_errors=server.errors,
        shared=server.is_shared,
        per_mission=server.is_per_mission,
        trusted=server.is_trusted,
        timeout_seconds=server.call_seconds,
        connecting=link.is_opening,
        protocol_version=link.protocol,
        left_out=[LeftOutTool(name=each.name, why=each.why) for each in view.left_out],
        missing=list(view.missing),
        sign_in_url=link.sign_in_url,
        stderr=link.stderr if view.is_whole else None,
    )


def _shown_transport(view: McpView) -> dict[str, Any]:
    def masked(kind: SecretKind) -> dict[str, str]:
        return {name: MASK for each, name in view.names if each is kind and view.is_whole}

    match view.server.transport:
        case StdioTransport(command=command, args=args, cwd=cwd):
            shown = list(args) if view.is_whole else []
            env = masked(SecretKind.ENV)
            return {"stdio": {"command": command, "args": shown, "env": env, "cwd": cwd}}
        case HttpTransport(client_id=client_id, oauth_scope=scope):
            secret = MASK if masked(SecretKind.OAUTH) else None
            return {
                "http": {
                    "endpoint": view.endpoint,
                    "headers": masked(SecretKind.HEADER),
                    "client_id": client_id,
                    "client_secret": secret,
                    "scope": scope,
                }
            }
