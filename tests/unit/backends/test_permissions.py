"""Which of OpenCode's calls ask first, and what the operator's rules say of one that asks."""

from typing import Any

import pytest

from open_agent.agent.policy import Policy, Rule
from open_agent.backends.opencode.session.permissions import (
    asked_groups,
    judge,
    only_we_ask,
    session_rules,
)


@pytest.mark.parametrize(
    ("rule", "groups"),
    [
        (Rule("allow"), []),
        (Rule("ask"), ["*"]),
        (Rule("deny", command="rm *"), ["bash", "mcp_*"]),
        (Rule("ask", tool="run_command"), ["bash"]),
        (Rule("ask", tool="bash", command="git push*"), ["bash"]),
        (Rule("deny", tool="write_file"), ["edit"]),
        (Rule("deny", tool="edit"), ["edit"]),
        (Rule("ask", effect="write"), ["edit"]),
        (Rule("ask", effect="execute"), ["*"]),
        (Rule("ask", effect="network"), ["webfetch", "websearch", "codesearch"]),
        (Rule("deny", effect="delegate"), ["task"]),
        (Rule("ask", tool="playwright_*"), ["playwright_*", "mcp_playwright_*"]),
        (Rule("ask", tool="delegate"), ["task"]),
    ],
)
def test_only_what_a_rule_may_be_about_asks(rule: Rule, groups: list[str]):
    assert asked_groups(Policy((rule,))) == groups


@pytest.mark.parametrize(
    ("rules", "tool", "arguments", "action"),
    [
        ((Rule("deny", command="rm *"),), "bash", {"command": "cd x && rm -rf y"}, "deny"),
        ((Rule("deny", command="rm *"),), "bash", {"command": "ls"}, "allow"),
        ((Rule("ask", tool="run_command"),), "bash", {"command": "ls"}, "ask"),
        ((Rule("allow", tool="bash"), Rule("deny")), "bash", {"command": "ls"}, "allow"),
        ((Rule("deny", tool="write_file"),), "write", {"filePath": "a"}, "deny"),
        ((Rule("deny", tool="write_file"),), "edit", {"filePath": "a"}, "allow"),
        ((Rule("ask", effect="execute"),), "some_mcp_tool", {}, "ask"),
        ((Rule("deny", command="*"),), "some_mcp_tool", {"command": "x"}, "deny"),
        ((Rule("deny", command="*"),), "grep", {"command": "x"}, "allow"),
        ((), "bash", {"command": "rm -rf /"}, "allow"),
    ],
)
def test_the_first_rule_that_fits_decides_by_either_name(
    rules: tuple[Rule, ...], tool: str, arguments: dict[str, Any], action: str
):
    assert judge(Policy(rules), tool, arguments).action == action


def test_an_open_session_allows_everything_but_questions():
    rules = session_rules(Policy(), is_permissive=True, is_managed=True)
    assert [(rule["permission"], rule["action"]) for rule in rules] == [
        ("*", "allow"),
        ("question", "deny"),
    ]


def test_a_rule_holds_in_an_open_session_whose_subagents_could_not_be_held_to_it():
    policy = Policy((Rule("ask", command="rm *"),))
    rules = session_rules(policy, is_permissive=True, is_managed=False)
    assert [(rule["permission"], rule["action"]) for rule in rules] == [
        ("*", "allow"),
        ("bash", "ask"),
        ("mcp_*", "ask"),
        ("question", "deny"),
        ("task", "deny"),
    ]


def test_a_session_that_asks_is_left_to_opencodes_own_rules():
    assert session_rules(Policy(), is_permissive=False, is_managed=False) == []


@pytest.mark.parametrize(
    ("permission", "patterns", "is_ours"),
    [
        ("bash", ["ls"], True),
        ("read", ["a.txt"], True),
        ("read", ["sub/.env"], False),
        ("edit", ["a.txt"], False),
        ("mcp_files_remove", ["*"], True),
        ("external_directory", ["/etc/*"], False),
        ("doom_loop", ["bash"], False),
    ],
)
def test_what_only_we_had_asked_is_told_from_what_opencode_asks(
    permission: str, patterns: list[str], is_ours: bool
):
    policy = Policy((Rule("ask", command="rm *"), Rule("deny", tool="read_file")))
    assert only_we_ask(policy, permission, patterns) is is_ours
