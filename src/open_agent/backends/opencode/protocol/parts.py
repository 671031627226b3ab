"""The parts of OpenCode's messages as values: only what we read, and tolerant of all else.

A part of a kind that is not here, or whose shape has changed, is an `OtherPart`, so that one
surprise does not cost the rest of the message. Times are milliseconds since 1970, as sent.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)

Json = dict[str, Any]


class Read(BaseModel):
    """Something that OpenCode sent; fields that are not named are passed over."""

    # Deferred: 60 ms that a server without OpenCode need not wait for.
    model_config = ConfigDict(extra="ignore", frozen=True, validate_by_name=True, defer_build=True)


class Span(Read):
    """When something began and ended."""

    start: int | None = None
    end: int | None = None


class Cache(Read):
    """Tokens that went through the provider's cache."""

    read: int = 0
    write: int = 0


class Tokens(Read):
    """What a step, a message or a session used. `input` is without what the cache gave."""

    input: int = 0
    output: int = 0
    reasoning: int = 0
    cache: Cache = Cache()


class ToolState(Read):
    """How a tool call stands."""

    status: Literal["pending", "running", "completed", "error"]
    input: Json = {}
    """Empty while `pending`."""
    title: str = ""
    output: str = ""
    """What the model was shown; once `completed`."""
    error: str = ""
    metadata: Json = {}
    """Live output (`output`), exit code (`exit`), the file with all of it (`outputPath`) …"""
    time: Span = Span()
    attachments: list[Json] = []


class _PartOfMessage(Read):
    id: str
    session_id: str = Field(default="", alias="sessionID")
    message_id: str = Field(default="", alias="messageID")


class TextPart(_PartOfMessage):
    """Text: the model's, or in a user's message what was said to it."""

    type: Literal["text"] = "text"
    text: str = ""
    is_synthetic: bool = Field(default=False, alias="synthetic")
    """OpenCode wrote it, not the person or the model."""
    time: Span = Span()
    """Without `end` it is still being written, or was cut off."""


class ReasoningPart(_PartOfMessage):
    """What the model thought."""

    type: Literal["reasoning"] = "reasoning"
    text: str = ""
    time: Span = Span()


BRIDGED = "mcp_"
"""Before the names of tools that OpenCode has from us; see `bridge.py`."""
ToolName = Annotated[str, AfterValidator(lambda name: name.removeprefix(BRIDGED))]
"""A tool of OpenCode's own, or of an MCP server under the name that we know it by."""


class ToolPart(_PartOfMessage):
    """A tool call from its beginning to its answer."""

    type: Literal["tool"] = "tool"
    call_id: str = Field(alias="callID")
    tool: ToolName
    state: ToolState


class StepStartPart(_PartOfMessage):
    """A model call began."""

    type: Literal["step-start"] = "step-start"


class StepFinishPart(_PartOfMessage):
    """A model call ended."""

    type: Literal["step-finish"] = "step-finish"
    reason: str = ""
    """`stop`, `tool-calls`, `length`, `unknown` …"""
    cost: float = 0.0
    """Dollars."""
    tokens: Tokens = Tokens()


class PatchPart(_PartOfMessage):
    """Files that a step changed, by absolute path; only with snapshots on."""

    type: Literal["patch"] = "patch"
    hash: str = ""
    files: list[str] = []


class OtherPart(_PartOfMessage):
    """A part of a kind that we have no use for, or cannot read: `raw` is all of it."""

    type: str = "other"
    raw: Json = {}


_KINDS = ("text", "reasoning", "tool", "step-start", "step-finish", "patch")


def _kind(value: object) -> str:
    kind = (
        cast("Json", value).get("type") if isinstance(value, dict) else getattr(value, "type", "")
    )
    return str(kind) if kind in _KINDS else "other"


def _other(value: Json) -> OtherPart:
    names = ("id", "sessionID", "messageID", "type")
    return OtherPart.model_validate(
        {**{name: str(value.get(name, "")) for name in names}, "raw": value}
    )


def _tolerant(value: object, read: Any) -> "Part":
    if not isinstance(value, dict):
        return read(value)
    given = cast("Json", value)
    if _kind(given) == "other":
        return _other(given)
    try:
        return read(given)
    except ValidationError:
        return _other(given)


Part = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ReasoningPart, Tag("reasoning")]
    | Annotated[ToolPart, Tag("tool")]
    | Annotated[StepStartPart, Tag("step-start")]
    | Annotated[StepFinishPart, Tag("step-finish")]
    | Annotated[PatchPart, Tag("patch")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(_kind),
    WrapValidator(_tolerant),
]
"""One piece of a message."""

_PART: TypeAdapter[Part] = TypeAdapter(Part, config=ConfigDict(defer_build=True))


def read_part(value: Json) -> Part:
    """A part as OpenCode sent it; what cannot be read is an `OtherPart`."""
    return _PART.validate_python(value)
