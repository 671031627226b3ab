"""Takes what only a server is to know out of what it says, and out of what is said of it.

Servers repeat what they are configured with: in answers, descriptions and complaints. What they
answer goes to models and stays on the log, so there only values are masked that are surely secrets:
a path or a word that an answer is about must stay. Complaints are masked more freely.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from open_agent.core.mcp import McpSecret, SecretKind

MASK = "****"
SHORTEST = 4
"""Characters of what is masked in complaints."""
SHORTEST_NAMED = 6
"""Of a value whose name says that it is a secret."""
SHORTEST_RANDOM = 16
"""Of a value that looks like a secret, whatever its name."""
DEEPEST = 8
ENCODED = frozenset({"data", "blob"})
"""Where answers have bytes and no text."""

_TELLING = frozenset({
    "key", "apikey", "token", "secret", "password", "passwd", "passphrase", "pass", "pwd", "pw",
    "auth", "authorization", "cookie", "credential", "credentials", "pat", "dsn", "signature",
    "sig", "bearer",
})  # fmt: skip
"""Words in the names of what is secret."""
_ABOUT = frozenset({
    "type", "file", "path", "dir", "url", "uri", "endpoint", "method", "name", "user", "id",
})  # fmt: skip
"""With which names end of what is only about a secret."""
_OAUTH = frozenset({
    "access_token", "refresh_token", "id_token", "client_secret", "registration_access_token",
})  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PATH = re.compile(r"(~|\.{1,2}|[A-Za-z]:)?([/\\][\w.@ +-]+)+[/\\]?")


class Masks:
    """What is to be masked of one session. Learns more, as tokens are renewed."""

    def __init__(self, secrets: Iterable[McpSecret]) -> None:
        self._known: set[str] = set()
        self._sure: tuple[str, ...] = ()
        self._all: tuple[str, ...] = ()
        self.learn(*secrets)

    def learn(self, *secrets: McpSecret) -> None:
        """Mask these as well, from now on."""
        sure = {form for each in secrets for part in _parts(each) for form in _forms(part)}
        whole = {form for each in secrets for form in _forms(each.value)}
        self._sure = _longest_first({*self._sure, *sure}, SHORTEST)
        self._all = _longest_first({*self._all, *sure, *whole}, SHORTEST)

    def complaint(self, text: str) -> str:
        """A text about the server, without any value that it was given."""
        return _without(text, self._all)

    def answer(self, value: Any, depth: int = 0) -> Any:
        """What a server says, without what is surely a secret; `value` is JSON."""
        if not self._sure:
            return value
        match value:
            case str():
                return _without(value, self._sure)
            case list():
                return [self.answer(each, depth + 1) for each in cast("list[Any]", value)]
            case dict():
                items = cast("dict[str, Any]", value).items()
                return {
                    _without(key, self._sure): each
                    if key in ENCODED and isinstance(each, str)
                    else self.answer(each, depth + 1)
                    for key, each in items
                }
            case _:
                return value


def _without(text: str, values: Iterable[str]) -> str:
    for value in values:
        if value in text:
            text = text.replace(value, MASK)
    return text


def _longest_first(values: Iterable[str], shortest: int) -> tuple[str, ...]:
    return tuple(sorted((v for v in values if len(v) >= shortest), key=lambda v: (-len(v), v)))


def _forms(value: str) -> Iterator[str]:
    """A value, and how it stands in JSON, in an address, and on one line."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value)
    yield quote(value, safe="")
    yield quote_plus(value)
    yield " ".join(value.split())


def _parts(secret: McpSecret) -> Iterator[str]:
    """What of a secret's value is surely none of anybody's business."""
    if secret.kind is not SecretKind.OAUTH:
        yield from _secrets_in(secret.name, secret.value)
        return
    inside = _read(secret.value) or [(secret.name, secret.value)]
    yield from (value for name, value in inside if name in _OAUTH)


def _secrets_in(name: str, value: str, depth: int = 0) -> Iterator[str]:
    value = value.strip()
    inside = _read(value) if depth < DEEPEST else None
    if inside is not None:
        for key, each in inside:
            yield from _secrets_in(key or name, each, depth + 1)
        return
    if "://" in value:
        yield from _secrets_of_address(value)
        return
    if _PATH.fullmatch(value):
        return
    words = [word.lower() for word in _WORDS.findall(name)]
    is_named = not _TELLING.isdisjoint(words) and words[-1] not in _ABOUT
    if is_named and len(value) >= SHORTEST_NAMED:
        yield value
        # Without its scheme, as in `Bearer …`.
        *_, last = value.split()
        if len(last) >= SHORTEST_RANDOM:
            yield last
    elif _looks_random(value):
        yield value
    if "\n" in value and (is_named or "PRIVATE KEY" in value):
        yield value
        yield from (line.strip() for line in value.splitlines() if _looks_random(line.strip()))


def _secrets_of_address(value: str) -> Iterator[str]:
    """A password in an address, and what of its query is named like a secret."""
    try:
        parts = urlsplit(value)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
    for name, given in parse_qsl(parts.query):
        yield from _secrets_in(name, given, DEEPEST)


def _looks_random(text: str) -> bool:
    return (
        len(text) >= SHORTEST_RANDOM
        and not any(char.isspace() for char in text)
        and any(char.isdigit() for char in text)
        and any(char.isalpha() for char in text)
    )


def _read(value: str) -> list[tuple[str, str]] | None:
    """The texts in a JSON object or list, each with its name; none when it is neither."""
    if not value.startswith(("{", "[")):
        return None
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return None
    match read:
        case dict():
            items = list(cast("dict[str, Any]", read).items())
        case list():
            items = [("", each) for each in cast("list[Any]", read)]
        case _:
            return None
    return [
        (key, each if isinstance(each, str) else json.dumps(each))
        for key, each in items
        if isinstance(each, str | dict | list)
    ]
