"""Names of tools: legal, unique, and the same each time."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.ids import UserId
from open_agent.core.mcp import McpServer, StdioTransport
from open_agent.mcp.client.naming import prefix, prefixes, tool_names

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def server(name: str, number: int = 0, *, is_shared: bool = True) -> McpServer:
    at = NOW + timedelta(seconds=number)
    return McpServer(f"{name}-{number}", UserId("a"), is_shared, name, StdioTransport("x"), at)


def test_prefixes_are_as_the_original_makes_them() -> None:
    names = {"Git-Hub": "git_hub", "my server!": "myserver", "ümläut": "mlut", "!?": "mcp"}
    assert {name: prefix(name) for name in names} == names


def test_those_that_would_be_alike_are_told_apart_the_eldest_first() -> None:
    first, second, own = server("a-b"), server("a_b", 1), server("A-B", -5, is_shared=False)
    expected = {first.id: "a_b", second.id: "a_b_2", own.id: "a_b_3"}
    assert prefixes([own, second, first]) == expected
    assert prefixes([replace(first, is_enabled=False), second, own]) == expected


def test_a_name_that_is_taken_or_too_long_is_marked_and_stays_so() -> None:
    [name] = tool_names("1", "read", ["file"], {"read_file"}).values()
    assert re.fullmatch(r"read_file_[0-9a-f]{8}", name)
    assert tool_names("1", "read", ["file"], {"read_file"}) == {"file": name}
    assert tool_names("2", "read", ["file"], {"read_file"}) != {"file": name}
    long = tool_names("1", "p", ["x" * 100, "x" * 101], set())
    assert len(set(long.values())) == 2


@given(st.lists(st.text(min_size=1, max_size=120), unique=True, max_size=8), st.text(max_size=80))
def test_every_name_is_legal_and_nobodys_else(tools: list[str], name: str) -> None:
    taken = {"read_file", "mcp_look"}
    before = set(taken)
    found = list(tool_names("id", prefix(name), tools, taken).values())
    assert all(LEGAL.fullmatch(each) for each in found)
    assert len(set(found)) == len(found)
    assert not before & set(found)
