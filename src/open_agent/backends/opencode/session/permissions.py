"""Which of OpenCode's calls ask first, and what the operator's rules say of one that asks. Pure.

Rules name our tools or OpenCode's; both are the same here. OpenCode asks by groups, and only for
those that a rule could forbid or ask about, since every ask is a round trip.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from open_agent.agent.policy import ALLOWED, Policy, Rule, Verdict
from open_agent.backends.opencode.protocol.parts import BRIDGED
from open_agent.backends.opencode.session.facts import EFFECTS, effect_of

OURS = {
    "bash": "run_command",
    "read": "read_file",
    "list": "list_directory",
    "glob": "search_files",
    "grep": "grep_search",
    "edit": "edit_file",
    "multiedit": "edit_file",
    "patch": "edit_file",
    "apply_patch": "edit_file",
    "write": "write_file",
    "webfetch": "fetch_url",
    "websearch": "web_search",
    "codesearch": "web_search",
    "task": "delegate",
    "todowrite": "update_plan",
    "question": "ui_optionList",
}
"""Our own tools that do what OpenCode's do, for rules that name those."""
_GROUPS = {
    "write": "edit",
    "multiedit": "edit",
    "patch": "edit",
    "apply_patch": "edit",
}
"""Tools that ask under another name than their own."""

OWN_ASKS = frozenset({"external_directory", "doom_loop"})
"""What OpenCode asks about by itself, whatever the tool; and reading `.env` files."""

Json = dict[str, str]


def session_rules(policy: Policy, *, is_permissive: bool, is_managed: bool) -> list[Json]:
    """What a new session is told of permissions; of its rules the last that fits decides."""
    asked = asked_groups(policy)
    rules = [_rule("*", "allow")] if is_permissive else []
    rules += [_rule(group, "ask") for group in asked]
    if is_permissive:
        # Nobody looks at what is permissive: a question would wait for its deadline each time.
        rules.append(_rule("question", "deny"))
    if asked and not is_managed:
        # Subagents do not have these rules, and a server that is not ours not in its configuration.
        rules.append(_rule("task", "deny"))
    return rules


def asked_groups(policy: Policy) -> list[str]:
    """The groups of permissions that rules might forbid, or ask about."""
    found: list[str] = []
    for rule in policy.rules:
        if rule.action != "allow":
            found += _groups_of(rule)
    return ["*"] if "*" in found else list(dict.fromkeys(found))


def only_we_ask(policy: Policy, permission: str, patterns: Sequence[str]) -> bool:
    """Whether an OpenCode of ours asks for nothing but that we had it ask for this kind of call."""
    is_asked = any(fnmatchcase(permission, group) for group in asked_groups(policy))
    if permission in OWN_ASKS or not is_asked:
        return False
    return permission != "read" or not any(".env" in pattern for pattern in patterns)


def judge(policy: Policy, tool: str, arguments: Mapping[str, Any]) -> Verdict:
    """What the operator's rules say of a call; allowed by no rule, where none fits."""
    names = [tool, *([OURS[tool]] if tool in OURS else [])]
    shaped = _shaped(tool, arguments)
    for rule in policy.rules:
        for name in names:
            verdict = Policy((rule,)).decide(name, effect_of(tool), shaped)
            if verdict.rule is not None:
                return verdict
    return ALLOWED


def _groups_of(rule: Rule) -> Sequence[str]:
    if rule.tool is None and rule.effect is None and rule.command is None:
        return ["*"]
    if rule.command is not None and rule.tool is None:
        return ["bash", f"{BRIDGED}*"]  # Tools of MCP servers may run commands too.
    fitting = [
        tool
        for tool, effect in EFFECTS.items()
        if tool != "invalid"
        and (rule.effect is None or effect == rule.effect)
        and (rule.tool is None or _is_named(rule.tool, tool))
    ]
    groups = [_GROUPS.get(tool, tool) for tool in fitting]
    if rule.tool is not None and not fitting:
        # Of an MCP server: it asks under its tool's own name, with what stands before those of ours.
        groups += [rule.tool, f"{BRIDGED}{rule.tool}"]
    if rule.tool is None and rule.effect == "execute":
        return ["*"]  # So do all tools that nobody knows.
    return groups


def _is_named(pattern: str, tool: str) -> bool:
    return fnmatchcase(tool, pattern) or fnmatchcase(OURS.get(tool, tool), pattern)


def _shaped(tool: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments with the names that rules know."""
    if tool == "bash" or tool not in EFFECTS:
        return arguments
    return {key: value for key, value in arguments.items() if key != "command"}


def _rule(permission: str, action: str) -> Json:
    return {"permission": permission, "pattern": "*", "action": action}
