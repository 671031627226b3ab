"""The reference page of the tools: what a model is told of each, and what holds for it."""

from collections.abc import Iterable
from typing import Any

import pydantic_core

from docs.pages.table import table
from open_agent.tools.standard import TOOLS

INTRODUCTION = """\
What a model may do. The description of each tool is what the model is told, word for word. All
tools act with the rights of the account that the server runs under, on the whole machine; paths
are absolute or relative to the task's working directory. Answers that are too long to show are
cut, and say what was left out.

The effect says what a tool may change. After a crash, a call whose answer was lost is made again
if its tool only reads; otherwise the model is told that the outcome is unknown.

The definitions of all tools together are {size} of JSON in every request.
"""


def page() -> str:
    """Every tool with its parameters."""
    size = len(pydantic_core.to_json([tool.schema for tool in TOOLS]))
    lines = ["# Tools", "", INTRODUCTION.format(size=f"{size / 1000:.1f} kB")]
    for tool in TOOLS:
        function = tool.schema["function"]
        parameters = function["parameters"]
        lines += [f"## `{tool.name}`", "", function["description"], ""]
        lines += table(["Parameter", "Type", "Default", ""], _rows(parameters))
        lines += [f"Effect: {tool.effect}. Ends after {tool.timeout:g} s at the latest.", ""]
    return "\n".join(lines)


def _rows(parameters: dict[str, Any]) -> Iterable[list[str]]:
    required = parameters.get("required", [])
    for name, schema in parameters["properties"].items():
        default = "required" if name in required else ""
        if "default" in schema:
            default = f"`{pydantic_core.to_json(schema['default']).decode()}`"
        yield [f"`{name}`", _type(schema), default, schema.get("description", "")]


def _type(schema: dict[str, Any]) -> str:
    """A type in a few words, with its bounds."""
    if "enum" in schema:
        return " or ".join(f"`{word}`" for word in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    return f"{kind}, {' to '.join(bounds)}" if len(bounds) == 2 else kind
