"""From a function's signature and docstring to a JSON schema, and from a model's arguments back.

Knows nothing of tools: it reads Google-style docstrings and pydantic does the checking.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar, cast, get_type_hints

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

MAX_ARGUMENT_CHARACTERS = 4_000_000
"""More is not read at all."""

MAX_SHOWN_PROBLEMS = 5

_UNSAID = ("minLength", "maxLength", "minItems", "maxItems")
"""Whoever comes near these is told; all others would pay for them in every request."""

SHOWN_WHOLE = 30_000
"""Bytes as JSON: of longer arguments the log has not all."""

AnyFunction = Callable[..., Any]
T = TypeVar("T")


def shown_whole(value: T) -> T:
    """Refuse what people would not be shown in whole; for arguments that are made for them."""
    if len(pydantic_core.to_json(value)) > SHOWN_WHOLE:
        raise ValueError("it is too long to be shown; use less")
    return value


class Parameters:
    """The parameters of a function after its first, which is the context."""

    def __init__(self, function: AnyFunction) -> None:
        self._names = list(inspect.signature(function).parameters)[1:]
        self._model = _model_of(function)

    @property
    def schema(self) -> dict[str, Any]:
        """As JSON schema, without titles, references, bounds of length and what says nothing."""
        schema = self._model.model_json_schema()
        return cast("dict[str, Any]", _compact(_inline(schema, schema.pop("$defs", {}))))

    def parse(self, arguments_json: str) -> dict[str, Any]:
        """Keyword arguments for the function; those that were left out are left out.

        Raises:
            ValueError: They do not fit; the text says in what, shortly.
        """
        fields = self._without_nulls(read_object(arguments_json))
        try:
            values = self._model.model_validate(fields)
        except ValidationError as error:
            raise ValueError(self._explain(error)) from None
        given = values.model_fields_set  # has no order of its own
        return {name: getattr(values, name) for name in self._model.model_fields if name in given}

    def _without_nulls(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Models write null for what they leave out."""
        known = self._model.model_fields
        return {
            name: value
            for name, value in fields.items()
            if value is not None or name not in known or known[name].is_required()
        }

    def _explain(self, error: ValidationError) -> str:
        problems: list[str] = []
        for problem in error.errors(include_url=False, include_input=False)[:MAX_SHOWN_PROBLEMS]:
            where = ".".join(str(part)[:60] for part in problem["loc"])
            match problem["type"]:
                case "missing":
                    problems.append(f"`{where}` is missing")
                case "extra_forbidden":
                    problems.append(f"there is no parameter `{where}`")
                case _:
                    problems.append(f"`{where}`: {problem['msg'][:200]}")
        rest = error.error_count() - len(problems)
        if rest:
            problems.append(f"and {rest} more problems")
        known = ", ".join(f"`{name}`" for name in self._names) or "none"
        return f"{'; '.join(problems)}. Its parameters are: {known}."


def describe(function: AnyFunction) -> str:
    """What the docstring says before its sections, each paragraph on one line."""
    text = inspect.getdoc(function) or ""
    head = re.split(r"(?m)^(?:Args|Returns|Raises):\s*$", text, maxsplit=1)[0]
    paragraphs = (" ".join(part.split()) for part in head.strip().split("\n\n"))
    return "\n".join(paragraphs)


def read_object(arguments_json: str) -> dict[str, Any]:
    """The arguments of a call, as a model wrote them.

    Raises:
        ValueError: They are no JSON object, or far too long; the text says what.
    """
    if len(arguments_json) > MAX_ARGUMENT_CHARACTERS:
        raise ValueError(
            f"its arguments are {len(arguments_json):,} characters long;"
            f" at most {MAX_ARGUMENT_CHARACTERS:,} are read. Work in smaller pieces."
        )
    try:
        # Some models send nothing at all where there is nothing to say. The parser refuses
        # more than 200 levels by itself.
        value = pydantic_core.from_json(arguments_json or "{}", allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"its arguments are not valid JSON: {str(error)[:200]}.") from None
    if not isinstance(value, dict):
        raise ValueError(f"its arguments must be a JSON object, not {_kind_of(value)}.")
    return cast("dict[str, Any]", value)


def _kind_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case _:
            return "an array"


def _model_of(function: AnyFunction) -> type[BaseModel]:
    hints = get_type_hints(function, include_extras=True)
    said = _said_of_parameters(function)
    fields: dict[str, Any] = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        default = ... if parameter.default is parameter.empty else parameter.default
        field = cast("FieldInfo", Field(default, description=said[parameter.name]))
        fields[parameter.name] = (hints[parameter.name], field)
    return create_model("arguments", __config__=ConfigDict(extra="forbid"), **fields)


def _said_of_parameters(function: AnyFunction) -> dict[str, str]:
    text = inspect.getdoc(function) or ""
    _, _, section = text.partition("\nArgs:\n")
    said: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        if start := re.match(r"    (\w+): (.*)", line):
            name = start[1]
            said[name] = start[2]
        elif line.strip():
            said[name] += " " + line.strip()
    return said


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Definitions in place of references, which not every provider understands."""
    match schema:
        case list():
            return [_inline(item, definitions) for item in cast("list[Any]", schema)]
        case {"$ref": str(name), **rest}:
            found = cast("dict[str, Any]", definitions[name.rpartition("/")[2]])
            found = {key: value for key, value in found.items() if key != "description"}
            return cast("dict[str, Any]", _inline(found, definitions)) | rest
        case dict():
            items = cast("dict[str, Any]", schema).items()
            return {key: _inline(value, definitions) for key, value in items}
        case _:
            return schema


def _compact(schema: Any) -> Any:
    match schema:
        case list():
            return [_compact(item) for item in cast("list[Any]", schema)]
        case dict():
            return _compact_object(cast("dict[str, Any]", schema))
        case _:
            return schema


def _compact_object(schema: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and value is None:
            continue
        if key in _UNSAID or (key == "additionalProperties" and value is True):
            continue
        if key == "anyOf":
            some = [item for item in cast("list[Any]", value) if item != {"type": "null"}]
            if len(some) == 1:
                kept |= _compact(some[0])
                continue
        kept[key] = _compact(value)
    return kept
