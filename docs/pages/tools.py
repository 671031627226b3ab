"""The reference page of the tools: what a model is told of each, and what holds for it."""

from collections.abc import Iterable
from typing import Any

import pydantic_core

from docs.pages.table import table
from open_agent.tools.definition import Effect, FunctionTool
from open_agent.tools.standard import FOR_PARTS, FOR_PEOPLE, TOOLS

INTRODUCTION = """\
What a model may do. The description of each tool is what the model is told, word for word. All
tools act with the rights of the account that the server runs under, on the whole machine; paths
are absolute or relative to the task's working directory. Answers that are too long to show are
cut, and say what was left out.

The effect says what a tool may change; rules of `APPROVALS` can name it. After a crash, a call
whose answer was lost is made again if its tool only reads or delegates, goes on waiting if it asks
a person, and otherwise the model is told that the outcome is unknown.

The definitions are sent with every request: {task} of JSON for a task, {mission} for a mission.
"""


def page() -> str:
    """Every tool with its parameters."""
    every = TOOLS + FOR_PARTS + FOR_PEOPLE
    sizes = {"task": _size(TOOLS), "mission": _size(every)}
    lines = ["# Tools", "", INTRODUCTION.format(**sizes)]
    for tool in every:
        function = tool.schema["function"]
        parameters = function["parameters"]
        lines += [f"## `{tool.name}`", "", function["description"], ""]
        lines += table(["Parameter", "Type", "Default", ""], _rows(parameters))
        lines += [f"Effect: {tool.effect}. {_time(tool)}{_where(tool)}", ""]
    return "\n".join(lines)


def _size(tools: Iterable[FunctionTool]) -> str:
    return f"{len(pydantic_core.to_json([tool.schema for tool in tools])) / 1000:.1f} kB"


def _time(tool: FunctionTool) -> str:
    if tool.effect is Effect.ASK:
        return "Waits `ANSWER_SECONDS` for an answer."
    if tool.effect is Effect.DELEGATE:
        return "Ends with its run at the latest."
    return f"Ends after {tool.timeout:g} s at the latest."


def _where(tool: FunctionTool) -> str:
    if tool in FOR_PEOPLE:
        return " In missions only."
    return " In missions, and in what they delegate." if tool in FOR_PARTS else ""


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
