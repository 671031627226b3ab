"""What people write of a server, checked, with what is secret taken out of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from open_agent.core.errors import Invalid
from open_agent.core.mcp import (
    CLIENT_SECRET,
    HttpTransport,
    McpSecret,
    SecretKind,
    StdioTransport,
    Transport,
)

MASK = "****"
"""Stands for a secret where it is shown; written back, it means that the secret stays."""
LONGEST_NAME = 64
LONGEST_TEXT = 4_000
LONGEST_VALUE = 32 * 1024
MOST_ARGUMENTS = 200
MOST_SECRETS = 100
LONGEST_CALL_SECONDS = 3_600

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")

Named = Mapping[str, str | None]
"""Secrets by name; none takes one away."""


@dataclass(frozen=True, slots=True)
class StdioDraft:
    """What is written of a program; what is none stays as it is."""

    command: str | None = None
    args: Sequence[str] | None = None
    env: Named = field(default_factory=dict[str, str | None], repr=False)
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class HttpDraft:
    """What is written of an address; what is none stays as it is."""

    endpoint: str | None = None
    headers: Named = field(default_factory=dict[str, str | None], repr=False)
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    oauth_scope: str | None = None


TransportDraft = StdioDraft | HttpDraft


@dataclass(frozen=True, slots=True)
class ServerDraft:
    """What is written of a server; what is none stays as it is, or as it is by default."""

    name: str | None = None
    transport: TransportDraft | None = None
    description: str | None = None
    is_enabled: bool | None = None
    is_shared: bool | None = None
    is_per_mission: bool | None = None
    is_trusted: bool | None = None
    call_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedTransport:
    """A transport without its secrets, what becomes of those, and which there are none of now."""

    transport: Transport
    put: tuple[McpSecret, ...] = ()
    drop: tuple[tuple[SecretKind, str], ...] = ()


def checked_name(name: str | None) -> str:
    """A server's name, trimmed.

    Raises:
        Invalid: It is empty, too long, or holds what cannot be seen (`mcp.unfit`).
    """
    name = (name or "").strip()
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise unfit(f"A name has 1 to {LONGEST_NAME} characters that can be seen.")
    return name


def checked_text(text: str | None) -> str | None:
    """A description; none when it is empty."""
    if text is not None and len(text) > LONGEST_TEXT:
        raise unfit(f"A description has at most {LONGEST_TEXT:,} characters.")
    return text or None


def checked_transport(
    draft: TransportDraft, before: Transport | None, named: Sequence[tuple[SecretKind, str]]
) -> CheckedTransport:
    """How a server is reached from now on.

    Args:
        draft: What is written.
        before: How it is reached now, if it is there.
        named: The secrets that it has now.

    Raises:
        Invalid: Something is missing or impossible (`mcp.unfit`).
    """
    match draft:
        case StdioDraft():
            old = before if isinstance(before, StdioTransport) else None
            made = _stdio(draft, old)
            kinds = (SecretKind.ENV,)
            values = {SecretKind.ENV: draft.env}
        case HttpDraft():
            old = before if isinstance(before, HttpTransport) else None
            made, query = _http(draft, old)
            kinds = (SecretKind.HEADER, SecretKind.QUERY, SecretKind.OAUTH)
            values: dict[SecretKind, Named] = {SecretKind.HEADER: draft.headers}
            if query is not None:
                values[SecretKind.QUERY] = query
            if draft.client_secret is not None:
                values[SecretKind.OAUTH] = {CLIENT_SECRET: draft.client_secret or None}
    # What belongs to another way of reaching it goes with that.
    drop = {(kind, name) for kind, name in named if kind not in kinds}
    put, dropped = _secrets(values, named)
    return CheckedTransport(made, tuple(put), tuple(sorted(drop | dropped)))


def unfit(problem: str) -> Invalid:
    """What is written cannot be."""
    return Invalid("mcp.unfit", problem)


def _secrets(
    values: Mapping[SecretKind, Named], named: Sequence[tuple[SecretKind, str]]
) -> tuple[list[McpSecret], set[tuple[SecretKind, str]]]:
    """Which secrets are kept from now on, and which are not any more."""
    put: list[McpSecret] = []
    drop: set[tuple[SecretKind, str]] = set()
    for kind, given in values.items():
        for name, value in given.items():
            _check_secret(kind, name, value)
            if value is None:
                drop.add((kind, name))
            elif value != MASK:
                put.append(McpSecret(kind, name, value))
            elif (kind, name) not in named:
                raise unfit(
                    f"{name} is {MASK}, which stands for a value that is kept, and none is."
                )
    if len(put) > MOST_SECRETS:
        raise unfit(f"At most {MOST_SECRETS} variables or headers can be set.")
    return put, drop


def _stdio(draft: StdioDraft, before: StdioTransport | None) -> StdioTransport:
    old = before or StdioTransport("")
    command = old.command if draft.command is None else draft.command.strip()
    args = old.args if draft.args is None else tuple(draft.args)
    cwd = old.cwd if draft.cwd is None else draft.cwd.strip()
    if not command:
        raise unfit("`command` is missing: which program is to be started?")
    if len(args) > MOST_ARGUMENTS:
        raise unfit(f"At most {MOST_ARGUMENTS} arguments can be given.")
    for text in (command, *args, cwd):
        if "\0" in text or len(text) > LONGEST_VALUE:
            raise unfit("The command, its arguments and `cwd` must be text of at most 32 KB each.")
    if cwd and not cwd.startswith("/"):
        raise unfit("`cwd` must be an absolute path.")
    return StdioTransport(command, args, cwd)


def _http(
    draft: HttpDraft, before: HttpTransport | None
) -> tuple[HttpTransport, dict[str, str | None] | None]:
    """An address, and the parameters of its query, if it is given anew."""
    old = before or HttpTransport("")
    client_id = old.client_id if draft.client_id is None else draft.client_id.strip()
    scope = old.oauth_scope if draft.oauth_scope is None else draft.oauth_scope.strip()
    if draft.endpoint is None:
        if not old.endpoint:
            raise unfit("`endpoint` is missing: at which address is the server?")
        return HttpTransport(old.endpoint, client_id, scope), None
    endpoint = draft.endpoint.strip()
    try:
        parts = urlsplit(endpoint)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise unfit("`endpoint` is no address.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not has_port:
        raise unfit("`endpoint` must be an http or https address, such as https://host/mcp.")
    if not endpoint.isprintable() or len(endpoint) > LONGEST_TEXT or " " in endpoint:
        raise unfit("`endpoint` is no address.")
    if "@" in parts.netloc:
        raise unfit("`endpoint` must not hold a password; send it in a header, `Authorization`.")
    query: dict[str, str | None] = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = dict(parse_qsl(urlsplit(old.endpoint).query, keep_blank_values=True))
    query |= {name: None for name in known if name not in query}
    blank = "&".join(f"{name}=" for name, value in query.items() if value is not None)
    bare = urlunsplit(parts._replace(query=blank, fragment=""))
    return HttpTransport(bare, client_id, scope), query


def _check_secret(kind: SecretKind, name: str, value: str | None) -> None:
    pattern = {SecretKind.ENV: _VARIABLE, SecretKind.HEADER: _HEADER}.get(kind)
    if pattern is not None and not pattern.fullmatch(name):
        raise unfit(f"{name[:100]!r} cannot be the name of a {_WORDS[kind]}.")
    if value is None:
        return
    is_line = kind is SecretKind.ENV or value.isprintable()
    if "\0" in value or len(value) > LONGEST_VALUE or not is_line:
        raise unfit(f"The value of {name} is too long, or holds what it cannot.")


_WORDS = {SecretKind.ENV: "variable", SecretKind.HEADER: "header"}
