"""What a server offers, looked at before a model sees it: what is unfit is left out, saying why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pydantic_core

from open_agent.core.mcp import ListedTool

MOST_TOOLS = 200
MOST_SCHEMA_BYTES = 32 * 1024
MOST_BYTES = 512 * 1024
"""Of one server's descriptions and schemas together: all of it is in every request."""
MOST_DEPTH = 30
LONGEST_NAME = 128
LONGEST_DESCRIPTION = 4_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tool that models are not offered."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Offers:
    """What is fit to be offered, in the server's order, and what is not."""

    tools: tuple[ListedTool, ...]
    left_out: tuple[LeftOut, ...]


def examine(tools: Sequence[ListedTool]) -> Offers:
    """Tell what of a server's tools can be offered."""
    fit: list[ListedTool] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    room = MOST_BYTES
    for tool in tools:
        why = _unfit(tool, seen)
        size = 0 if why else _size(tool)
        if not why and len(fit) >= MOST_TOOLS:
            why = f"The server has more than {MOST_TOOLS} tools."
        if not why and size > room:
            why = f"All of its tools together take more than {MOST_BYTES:,} bytes to describe."
        seen.add(tool.name)
        if why:
            left_out.append(LeftOut(tool.name[:LONGEST_NAME], why))
        else:
            room -= size
            fit.append(tool)
    return Offers(tuple(fit), tuple(left_out))


def offered_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema in the form that every provider takes."""
    kept = {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
    kept.setdefault("properties", {})
    return kept


def _unfit(tool: ListedTool, seen: set[str]) -> str:
    if not tool.name.strip() or len(tool.name) > LONGEST_NAME or not tool.name.isprintable():
        return "Its name is empty, too long, or holds what cannot be seen."
    if tool.name in seen:
        return "The server lists two tools of this name; the first one is offered."
    return _unfit_schema(tool.schema)


def _unfit_schema(schema: Mapping[str, Any]) -> str:
    if schema.get("type") != "object":
        return "Its schema does not describe an object."
    if not isinstance(schema.get("properties", {}), dict):
        return "The `properties` of its schema are no object."
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(
        isinstance(each, str) for each in cast("list[Any]", required)
    ):
        return "The `required` of its schema is no list of names."
    try:
        size = len(pydantic_core.to_json(schema))
    except (ValueError, RecursionError):
        return "Its schema cannot be written as JSON."
    if size > MOST_SCHEMA_BYTES:
        return f"Its schema has {size:,} bytes; at most {MOST_SCHEMA_BYTES:,} are taken."
    if _depth(schema) > MOST_DEPTH:
        return f"Its schema is nested more than {MOST_DEPTH} levels deep."
    outside = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    if outside is not None:
        return f"Its schema refers to {outside[:100]!r}, which is outside of it."
    return ""


def _size(tool: ListedTool) -> int:
    described = tool.description[:LONGEST_DESCRIPTION].encode("utf-8", "replace")
    return len(pydantic_core.to_json(tool.schema)) + len(described)


def _depth(value: Any) -> int:
    """How deep a value is nested; stops looking soon after the most that is taken."""
    level, found = [value], 0
    while level and found <= MOST_DEPTH:
        found += 1
        level = [inner for each in level for inner in _inside(each)]
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        ref = cast("dict[str, Any]", value).get("$ref")
        if isinstance(ref, str):
            yield ref
    for inner in _inside(value):
        yield from _references(inner)


def _inside(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(cast("dict[str, Any]", value).values())
        case list():
            return cast("list[Any]", value)
        case _:
            return []
