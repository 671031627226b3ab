"""Which calls may be made: a pure function of the operator's rules and of the call.

The first rule that fits decides; where none does, the call is allowed. A pattern for commands
errs on the safe side: that of an `allow` rule fits only one command of plain words, that of an
`ask` or `deny` rule fits wherever the command may occur, and what cannot be told apart.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from open_agent.agent.shell_words import DEEPEST, Line, Part, read_line

Action = Literal["allow", "ask", "deny"]

FORBIDDEN = (
    "Not allowed: a rule of this server forbids the call ({rule}). Do not look for a way around it. "
    "Do what can be done without it, and say what could not."
)
UNASKABLE = (
    "Not allowed: by a rule of this server a person has to be asked first ({rule}), and nobody can be "
    "here. Do not look for a way around it. Do what can be done without it, and say what could not."
)

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox", "rbash"})
_INTERPRETERS = frozenset(
    {"python", "perl", "ruby", "node", "nodejs", "php", "lua", "tclsh", "deno", "bun", "pwsh"}
)
_INLINE = re.compile(r"-\w*[ceprE]|--(eval|print|run|execute|command|exec)\b.*")
"""A flag with which an interpreter is given its program in the line itself."""
_WRAPPERS = _SHELLS | {
    "env", "sudo", "doas", "su", "runuser", "xargs", "parallel", "nohup", "nice", "ionice",
    "timeout", "time", "command", "builtin", "exec", "eval", "source", ".", "find", "fd", "watch",
    "setsid", "stdbuf", "strace", "ltrace", "ssh", "chroot", "unshare", "nsenter", "flock",
    "script", "systemd-run", "at", "batch", "trap", "alias", "setpriv", "taskset", "chrt",
}  # fmt: skip
"""Programs and words of the shell that run what they are given."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\[[^]]*\])?\+?=")


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done with calls that fit; what it does not name, any call fits.

    Attributes:
        tool: The tool's name, or a pattern with `*` and `?`.
        effect: What the tool may change.
        command: A pattern for the command of a call that runs one.
    """

    action: Action
    tool: str | None = None
    effect: str | None = None
    command: str | None = None

    def __str__(self) -> str:
        named = (("tool", self.tool), ("effect", self.effect), ("command", self.command))
        said = [f"{name} `{value}`" for name, value in named if value is not None]
        return f"{self.action} {', '.join(said) or 'everything'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done with a call, and which rule says so."""

    action: Action
    rule: Rule | None = None


ALLOWED = Verdict("allow")


def why_not(verdict: Verdict) -> str | None:
    """Why a call must not be made where nobody can be asked; none when it may be."""
    match verdict.action:
        case "allow":
            return None
        case "deny":
            return FORBIDDEN.format(rule=verdict.rule)
        case "ask":
            return UNASKABLE.format(rule=verdict.rule)


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in their order."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[Mapping[str, Any]]) -> "Policy":
        """Rules as settings have them."""
        return cls(tuple(Rule(**rule) for rule in rules))

    def decide(self, tool: str, effect: str, arguments: Mapping[str, Any]) -> Verdict:
        """Whether a call may be made, must not be, or waits for somebody to allow it."""
        for rule in self.rules:
            if _fits(rule, tool, effect, arguments):
                return Verdict(rule.action, rule)
        return ALLOWED


def _fits(rule: Rule, tool: str, effect: str, arguments: Mapping[str, Any]) -> bool:
    if rule.tool is not None and not fnmatchcase(tool, rule.tool):
        return False
    if rule.effect is not None and effect != rule.effect:
        return False
    if rule.command is None:
        return True
    command = arguments.get("command")
    if not isinstance(command, str):
        return False
    if rule.action == "allow":
        return _is_surely(command, rule.command)
    return _is_perhaps(command, rule.command)


def _is_surely(command: str, pattern: str) -> bool:
    """Whether `command` is one simple command, and the pattern fits all of it."""
    line = read_line(command.strip())
    if not line.is_simple:
        return False
    words = [word.text for word in line.parts[0].words]
    if not words[0] or _ASSIGNMENT.match(words[0]) or not set(words[0]).isdisjoint(" \t\n"):
        return False
    return fnmatchcase(" ".join(words), pattern)


def _is_perhaps(command: str, pattern: str, depth: int = 0, *, is_run: bool = True) -> bool:
    """Whether some part of `command` fits the pattern, or may.

    Of what is perhaps only text, `is_run` being false, no more is asked than whether it fits.
    """
    line = read_line(command)
    if not line.is_understood or depth > DEEPEST:
        return is_run
    pattern = pattern.casefold()
    if fnmatchcase(" ".join(command.split()).casefold(), pattern):
        return True
    return any(_may_be(part, pattern, depth, is_run=is_run) for part in _parts(line))


def _may_be(part: Part, pattern: str, depth: int, *, is_run: bool) -> bool:
    names = [word.text.rpartition("/")[2].casefold() for word in part.words]
    if is_run and _is_unknowable(part, names):
        return True
    if any(fnmatchcase(said, pattern) for said in _ways_to_say(part)):
        return True
    is_run = is_run and not _WRAPPERS.isdisjoint(names)
    return any(_is_perhaps(inner, pattern, depth + 1, is_run=is_run) for inner in _inner(part))


def _parts(line: Line) -> Iterator[Part]:
    for part in line.parts:
        words = list(part.words)
        while words and _ASSIGNMENT.match(words[0].text):
            words.pop(0)
        if words:
            yield Part(words, part.is_fed)


def _ways_to_say(part: Part) -> Iterator[str]:
    """A command, and what may be one among its words; programs by path and by name."""
    words = [word.text.casefold() for word in part.words]
    for place, first in enumerate(words):
        rest = words[place + 1 :]
        yield " ".join([first, *rest])
        name = first.rpartition("/")[2]
        if name != first:
            yield " ".join([name, *rest])


def _inner(part: Part) -> Iterator[str]:
    """Words that are lines themselves, as in `sh -c "…"`."""
    for word in part.words:
        if not set(word.text).isdisjoint(" \t\n;|&()`<>\"'"):
            text = word.text.replace('"', " ").replace("'", " ")
            yield text
            yield from (
                value for _, mark, value in (text.partition("="), text.partition("!")) if mark
            )
            if text.count("=") > 1:
                yield text.rpartition("=")[2]


def _is_unknowable(part: Part, names: list[str]) -> bool:
    """Whether what is run is made only while the line runs."""
    if not part.words[0].is_plain:
        return True
    wrapper = next((place for place, name in enumerate(names) if name in _WRAPPERS), None)
    if wrapper is not None and not all(word.is_plain for word in part.words[wrapper:]):
        return True
    if part.is_fed and not _SHELLS.isdisjoint(names):
        return True
    for place, name in enumerate(names):
        if name.rstrip("0123456789.") in _INTERPRETERS:
            rest = [word.text for word in part.words[place + 1 :]]
            is_fed = part.is_fed and all(word.startswith("-") for word in rest)
            return is_fed or any(_INLINE.fullmatch(word) for word in rest)
    return False
