"""Reading JSON that a stranger wrote: nothing has the type it should have."""

import re
from typing import Any, cast

_MOST = 10**12

Json = dict[str, Any]
"""A JSON object."""

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)


def as_object(value: Any) -> Json:
    """`value` when it is an object; an empty one otherwise."""
    return cast(Json, value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """`value` when it is an array; an empty one otherwise."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """`value` when it is a string; an empty one otherwise."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """`value` as a number of things: whole, never negative, and nothing absurd."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST else 0


def one_line(text: str, limit: int = 300) -> str:
    """`text` for a message: one line, printable, cut at `limit` characters."""
    flat = _UNPRINTABLE.sub(" ", text[: limit * 4]).strip()
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"
