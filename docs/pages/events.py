"""The reference page of the events, from the closed union and the docstrings of its fields."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from types import ModuleType
from typing import Literal, get_args, get_origin

from pydantic import BaseModel

from docs.pages.table import table
from open_agent.core import mission, run
from open_agent.events.model import base, message, model_call, tool, union
from open_agent.events.model import run as run_events

INTRODUCTION = """\
Everything that happens to a mission is one of these events. They are what
`GET /api/missions/{id}/events` and its stream send, each within a record:

```json
{"seq": 7, "owner_seq": 42, "at": "2026-01-31T12:00:00.000000Z",
 "mission_id": "…", "run_id": "…", "event": {"type": "tool.returned", "…": "…"}}
```

`seq` has no gaps within a mission; `owner_seq` orders everything that belongs to one owner. Fields
are only ever added, with a default; a reader passes over types that it does not know. Types whose
name ends in `Id` are strings.
"""

MODULES: tuple[ModuleType, ...] = (base, message, model_call, run_events, tool, run, mission)
"""Where the parts of events are defined."""

WORDS = {
    name: " | ".join(repr(word) for word in get_args(value))
    for module in MODULES
    for name, value in vars(module).items()
    if get_origin(value) is Literal
}
"""Types that are one of a few words, by name."""

Part = type[BaseModel] | type[StrEnum]


def page() -> str:
    """Every event, then every part of one."""
    alternatives, *_ = get_args(union.Event)
    events: list[type[BaseModel]] = list(get_args(alternatives))
    parts = _parts(events)
    lines = ["# Events", "", INTRODUCTION]
    for event in events:
        title = event.model_fields["type"].default
        lines += [f"## `{title}`", "", *_described(event)]
    lines += ["## Parts of events", ""]
    for part in parts:
        lines += [f"### {part.__name__}", "", *_described(part)]
    return "\n".join(lines)


def _parts(events: list[type[BaseModel]]) -> list[Part]:
    """The models and words that events are made of, in order of first use."""
    known: dict[str, Part] = {
        name: value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, BaseModel | StrEnum)
    }
    found: dict[str, Part] = {}
    queue: list[Part] = list(events)
    while queue:
        for _, annotation, _, _ in _fields(queue.pop(0)):
            for name in re.findall(r"\w+", annotation):
                part = known.get(name)
                if part is not None and name not in found and part not in events:
                    found[name] = part
                    queue.append(part)
    return list(found.values())


def _described(type_: Part) -> list[str]:
    lines = [inspect.cleandoc(type_.__doc__ or ""), ""]
    if issubclass(type_, StrEnum):
        return [*lines, "One of " + ", ".join(f"`{word.value}`" for word in type_) + ".", ""]
    rows = (
        [f"`{name}`", _type(annotation), _default(default), text]
        for name, annotation, default, text in _fields(type_)
        if name != "type"
    )
    return lines + table(["Field", "Type", "Default", ""], rows)


def _fields(type_: Part) -> Iterator[tuple[str, str, str, str]]:
    """Name, type, default and docstring of each field, as the source has them."""
    definition = ast.parse(textwrap.dedent(inspect.getsource(type_))).body[0]
    assert isinstance(definition, ast.ClassDef)
    for node, after in zip(definition.body, [*definition.body[1:], None], strict=True):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                default = "" if value is None else ast.unparse(value)
                yield name, ast.unparse(annotation), default, _text(after)
            case _:
                pass


def _text(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
        case _:
            return ""


def _type(annotation: str) -> str:
    spelled = WORDS.get(annotation, annotation)
    return f"`{spelled}`"


def _default(source: str) -> str:
    if match := re.match(r"Field\(default=([^,)]+)", source):
        source = match[1]
    return "" if source in {"", "Field(pattern='^[0-9a-f]{64}$')"} else f"`{source}`"
