"""Servers as other tools write them: the original's list, `mcpServers`, and what is like it.

All of a file is understood before any of it is taken: one that is broken is refused as a whole.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, cast

from open_agent.core.errors import Invalid
from open_agent.mcp.client.presets import DESKTOP, HOST, PLAYWRIGHT
from open_agent.services.mcp.drafts import (
    MASK,
    HttpDraft,
    ServerDraft,
    StdioDraft,
    TransportDraft,
    checked_name,
    checked_text,
    checked_transport,
)

KEYS = ("mcpServers", "servers", "mcp")
"""Under which servers stand by their names."""
_REFERENCE = re.compile(r"\$\{[^}]*\}|\{(?:env|file):[^}]*\}")
_URLS = ("url", "serverUrl", "httpUrl", "endpoint")


@dataclass(frozen=True, slots=True)
class Entry:
    """A server of a file.

    Attributes:
        id: As the file has it.
        preset: Which of the servers that come with us it stands for.
    """

    draft: ServerDraft
    id: str = ""
    preset: str = ""


def read_servers(value: Any, *, where: str) -> list[Entry]:
    """The servers that a file names, each checked.

    Args:
        value: The file's JSON.
        where: How to name the file to a person.

    Raises:
        Invalid: Something in it cannot be understood, or cannot be (`mcp.import_unreadable`).
    """
    entries = [_entry(name, fields, where) for name, fields in _named(value, where)]
    for entry in entries:
        name = entry.draft.name or ""
        try:
            checked_name(name)
            checked_text(entry.draft.description)
            assert entry.draft.transport is not None
            checked_transport(entry.draft.transport, None, ())
        except Invalid as error:
            raise _unreadable(where, f"the server {name!r}: {error.message}") from error
    names = [entry.draft.name for entry in entries]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _unreadable(where, f"two servers are called {twice!r}.")
    return entries


def _named(value: Any, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each server with its name."""
    if isinstance(value, dict):
        found = cast("dict[str, Any]", value)
        key = next((key for key in KEYS if found.get(key) is not None), None)
        if key is None:
            raise _unreadable(where, f"there is none of {', '.join(f'`{key}`' for key in KEYS)}.")
        value = found[key]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        items = [(_name_of(each), each) for each in cast("list[Any]", value)]
    else:
        raise _unreadable(where, "it holds no servers.")
    for name, fields in items:
        if not isinstance(fields, dict):
            raise _unreadable(where, f"the server {name!r} is no object.")
        yield name, cast("dict[str, Any]", fields)


def _name_of(fields: Any) -> str:
    name = cast("dict[str, Any]", fields).get("name") if isinstance(fields, dict) else None
    return name if isinstance(name, str) else ""


def _entry(name: str, fields: Mapping[str, Any], where: str) -> Entry:
    transport = _transport(name, fields, where)
    description = fields.get("description")
    is_off = fields.get("enabled") is False or fields.get("disabled") is True
    preset = _preset(name, transport)
    id_ = fields.get("id")
    draft = ServerDraft(
        name=name,
        transport=transport,
        description=description if isinstance(description, str) else None,
        is_enabled=not is_off,
    )
    return Entry(draft, id_ if isinstance(id_, str) else "", preset)


def _transport(name: str, fields: Mapping[str, Any], where: str) -> TransportDraft:
    """How a server is reached, however that is written."""

    def wrong(what: str) -> Invalid:
        return _unreadable(where, f"the server {name!r}: {what}")

    inside = fields.get("transport")
    if isinstance(inside, dict):  # the original's: {"stdio": {…}} or {"http": {…}}
        kinds = cast("dict[str, Any]", inside)
        parts: Any = kinds.get("stdio") or kinds.get("http")
        fields = {**fields, **parts} if isinstance(parts, dict) else fields
    if fields.get("type") == "sse":
        raise wrong("it wants the old transport of server-sent events, which is not spoken here.")
    command = fields.get("command")
    if command is not None:
        line: list[str] = [command] if isinstance(command, str) else command
        args: list[str] = fields.get("args") or []
        if not (_is_texts(line) and line and _is_texts(args)):
            raise wrong("`command` and `args` must be text and a list of texts.")
        env = _texts(fields.get("env") or fields.get("environment") or {}, "env", wrong)
        cwd = fields.get("cwd")
        if not isinstance(cwd, str | None):
            raise wrong("`cwd` must be text.")
        _check_references([*line, *args, *(v or "" for v in env.values())], wrong)
        return StdioDraft(line[0], [*line[1:], *args], env, cwd or "")
    url = next((fields[key] for key in _URLS if isinstance(fields.get(key), str)), None)
    if url is None:
        raise wrong("it has neither a `command` nor a `url`.")
    headers = _texts(fields.get("headers") or {}, "headers", wrong)
    _check_references([url, *(v or "" for v in headers.values())], wrong)
    return HttpDraft(url, headers)


def _texts(value: Any, what: str, wrong: Any) -> dict[str, str | None]:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        if all(isinstance(each, str | int | float | bool) for each in items.values()):
            return {key: str(each) for key, each in items.items()}
    raise wrong(f"`{what}` must be an object of texts.")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(e, str) for e in cast("list[Any]", value))


def _check_references(texts: list[str], wrong: Any) -> None:
    for text in texts:
        if found := _REFERENCE.search(text):
            raise wrong(f"{found[0]} means something to another tool only; write the value itself.")
        if text == MASK:
            raise wrong(f"{MASK} is no value; write the value itself.")


def _preset(name: str, transport: TransportDraft) -> str:
    """Which of the original's own servers an entry is."""
    if not isinstance(transport, StdioDraft):
        return ""
    program = PurePosixPath(transport.command or "").name
    if program == "host-mcp":
        return HOST
    if program == "desktop-mcp":
        return DESKTOP
    args = list(transport.args or ())
    is_playwright = program == "npx" and any(a.startswith("@playwright/mcp") for a in args)
    plain = {"-y", "--isolated", "--no-sandbox", "--headless"}
    is_plain = all(arg in plain or arg.startswith("@playwright/mcp") for arg in args)
    return PLAYWRIGHT if name == PLAYWRIGHT and is_playwright and is_plain else ""


def _unreadable(where: str, problem: str) -> Invalid:
    return Invalid("mcp.import_unreadable", f"{where} cannot be taken over: {problem}")
