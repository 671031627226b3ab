"""The reference page of the HTTP API, from the OpenAPI document of the real server."""

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import anyio
from fastapi import FastAPI

from docs.pages.table import table
from open_agent.composition.application import open_application
from open_agent.settings.settings import Settings

INTRODUCTION = """\
A running server describes itself at `/docs`, and for programs at `/openapi.json`. How the API is
meant to be used is said in [the guide](../guides/http-api.md).

{description}
"""

ELSEWHERE = {"Record": "events.md"}
"""Values that have a page of their own, with all that they are made of."""

UNSAID = "Successful Response"
"""What FastAPI says of replies of which nothing is said."""

Json = Mapping[str, Any]


def page() -> str:
    """Every route, then every value."""
    document = anyio.run(read_document)
    introduction = INTRODUCTION.format(description=document["info"]["description"])
    lines = ["# HTTP API", "", introduction]
    operations: list[Json] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operations.append(operation)
            lines += [f"## `{method.upper()} {path}`", "", *_operation(operation)]
    lines += ["## Values", ""]
    schemas: Json = document["components"]["schemas"]
    for name in _reachable(operations, schemas):
        lines += [f"### {name}", "", *_schema(schemas[name])]
    return "\n".join(lines)


async def read_document() -> Json:
    """What a server that has just started says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder, "data"), working_dir=Path(folder, "work"))
        async with open_application(settings) as application:
            return cast("FastAPI", application.http).openapi()


def _operation(operation: Json) -> list[str]:
    lines = [str(operation.get("description", "")), ""]
    given = [
        [f"`{parameter['name']}`", parameter["in"], _type(parameter["schema"]), _about(parameter)]
        for parameter in operation.get("parameters", [])
    ]
    if "requestBody" in operation:
        given.append(["body", "JSON", _type(_content(operation["requestBody"])), ""])
    lines += table(["Given", "Where", "Type", ""], given)
    replies = (
        [status, _type(_content(reply)), reply["description"].removeprefix(UNSAID)]
        for status, reply in sorted(operation["responses"].items())
    )
    return lines + table(["Reply", "Type", ""], replies)


def _content(thing: Json) -> Json:
    """The schema of a body; for a body that is no JSON, its media type."""
    for media_type, content in thing.get("content", {}).items():
        return content["schema"] if media_type == "application/json" else {"type": media_type}
    return {}


def _schema(schema: Json) -> list[str]:
    lines = [" ".join(str(schema.get("description", "")).split()), ""]
    if "enum" in schema:
        return [*lines, f"One of {_type(schema)}.", ""]
    required = schema.get("required", [])
    rows = (
        [f"`{name}`", _type(field), "" if name in required else "optional", _about(field)]
        for name, field in schema.get("properties", {}).items()
    )
    return lines + table(["Field", "Type", "", ""], rows)


def _about(thing: Json) -> str:
    return str(thing.get("description", ""))


def _type(schema: Json) -> str:
    """A type in a few words, with a link to every value that has a name."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}]({ELSEWHERE.get(name, '#' + name.lower())})"
    options: Iterable[Json] = schema.get("anyOf") or schema.get("oneOf") or ()
    if options:
        return " or ".join(_type(option) for option in options)
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{word}`" for word in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", ""))


def _reachable(operations: Iterable[Json], schemas: Json) -> list[str]:
    """The values that operations name, and those that these are made of, in order."""
    found: dict[str, None] = {}
    queue = list(_references(list(operations)))
    while queue:
        name = queue.pop(0)
        if name not in found and name not in ELSEWHERE:
            found[name] = None
            queue += _references(schemas[name])
    return sorted(found)


def _references(value: Any) -> Iterable[str]:
    match value:
        case dict():
            for key, inner in cast("dict[str, Any]", value).items():
                if key == "$ref":
                    yield str(inner).rpartition("/")[2]
                else:
                    yield from _references(inner)
        case list():
            for inner in cast("list[Any]", value):
                yield from _references(inner)
        case _:
            pass
