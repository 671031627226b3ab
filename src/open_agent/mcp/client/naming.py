"""Names under which models know the tools of MCP servers: legal, unique, and the same each time.

A function of which servers there are and of what they list: what is switched off or disabled
counts too, so that switching it on again renames nothing.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from open_agent.core.mcp import McpServer

LONGEST = 64
"""What providers take."""
LONGEST_PREFIX = 32

_NO_LETTERS = re.compile(r"[^a-zA-Z0-9_-]")


def prefixes(servers: Iterable[McpServer]) -> dict[str, str]:
    """What the tools of each server begin with, by the server's id.

    As the original makes them: letters, digits and `_` of the name, in lower case; `_2`, `_3` …
    for those that would be alike, the eldest first.
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for server in sorted(servers, key=lambda each: (not each.is_shared, each.created_at, each.id)):
        base = prefix(server.name)
        unique, number = base, 1
        while unique in taken:
            number += 1
            unique = f"{base}_{number}"
        taken.add(unique)
        found[server.id] = unique
    return found


def prefix(name: str) -> str:
    """What the tools of a server of this name begin with, as long as no other is like it."""
    kept = "".join(char for char in name if char.isascii() and (char.isalnum() or char in "_-"))
    return kept.lower().replace("-", "_")[:LONGEST_PREFIX] or "mcp"


def tool_names(
    server_id: str, server_prefix: str, tools: Sequence[str], taken: set[str]
) -> dict[str, str]:
    """How models call each of a server's tools, by the server's own names.

    Args:
        server_id: Whose they are.
        server_prefix: What they begin with.
        tools: The names that the server uses, each once.
        taken: Names that are used already; the new ones are added.
    """
    found: dict[str, str] = {}
    for tool in tools:
        name = f"{server_prefix}_{_NO_LETTERS.sub('_', tool)}"
        if len(name) > LONGEST or name in taken:
            mark = hashlib.sha256(f"{server_id}\0{tool}".encode("utf-8", "replace")).hexdigest()[:8]
            name = f"{name[: LONGEST - 9]}_{mark}"
        if name in taken:
            continue
        taken.add(name)
        found[tool] = name
    return found
