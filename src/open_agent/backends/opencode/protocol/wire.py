"""What OpenCode 1.x says, as values: only what we read of it, and tolerant of all else.

Above: the client, the feed and the run loop. Measured on 1.18.33. Times are milliseconds since 1970,
as sent.
"""

from dataclasses import dataclass
from typing import Literal, TypeVar, cast

from pydantic import Field, ValidationError, model_validator

from open_agent.backends.opencode.protocol.parts import (
    Json,
    Part,
    Read,
    TextPart,
    Tokens,
    read_part,
)

_Value = TypeVar("_Value", bound=Read)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as OpenCode names it: of which provider, and which of its models."""

    provider_id: str
    model_id: str

    def __str__(self) -> str:
        return f"{self.provider_id}/{self.model_id}"


def split_model(name: str) -> ModelRef | None:
    """`provider/model` in its two halves; none when one is missing. Model ids may hold slashes."""
    provider_id, slash, model_id = name.strip().partition("/")
    return ModelRef(provider_id, model_id) if slash and provider_id and model_id else None


class ErrorInfo(Read):
    """Why a message, an attempt or a session failed."""

    name: str = "UnknownError"
    """`APIError`, `MessageAbortedError`, `ContextOverflowError`, `ProviderAuthError` …"""
    message: str = ""
    status_code: int | None = Field(default=None, alias="statusCode")
    """Of the model endpoint's answer."""
    is_retryable: bool | None = Field(default=None, alias="isRetryable")
    response_body: str | None = Field(default=None, alias="responseBody")

    @model_validator(mode="before")
    @classmethod
    def _flatten(cls, value: object) -> object:
        """Sent as `{name, data: {…}}`; text alone is a message."""
        if isinstance(value, str):
            return {"message": value}
        error = cast("Json", value) if isinstance(value, dict) else {}
        if not isinstance(error.get("data"), dict):
            return cast("object", value)
        data = cast("Json", error["data"])
        return {**data, "name": error.get("name") or "UnknownError"}


class MessageTime(Read):
    """When a message was begun, and when it was complete."""

    created: int = 0
    completed: int | None = None


class _NamedModel(Read):
    provider_id: str = Field(default="", alias="providerID")
    model_id: str = Field(default="", alias="modelID")


class MessageInfo(Read):
    """A message without its parts."""

    id: str
    session_id: str = Field(default="", alias="sessionID")
    role: Literal["user", "assistant"]
    parent_id: str | None = Field(default=None, alias="parentID")
    """Of an assistant's message: the user's message that it answers."""
    time: MessageTime = MessageTime()
    error: ErrorInfo | None = None
    finish: str | None = None
    """`stop` is done; `tool-calls` goes on, or ended early."""
    cost: float = 0.0
    tokens: Tokens = Tokens()
    agent: str = ""
    provider_id: str = Field(default="", alias="providerID")
    model_id: str = Field(default="", alias="modelID")
    """Of an assistant's message."""
    model: _NamedModel | None = None
    """Of a user's message: the model that is to answer."""


class Message(Read):
    """A message of a session with its parts, in order."""

    info: MessageInfo
    parts: list[Part] = []

    @property
    def text(self) -> str:
        """What it says: its text parts, a line apart."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


class SessionTime(Read):
    """When a session was made and touched last."""

    created: int = 0
    updated: int = 0


class SessionInfo(Read):
    """A session: OpenCode's own conversation."""

    id: str
    directory: str = ""
    title: str = ""
    parent_id: str | None = Field(default=None, alias="parentID")
    """The session whose `task` tool opened it."""
    cost: float = 0.0
    """Dollars, of all its messages; its children's are not in it."""
    tokens: Tokens = Tokens()
    time: SessionTime = SessionTime()
    agent: str = ""
    permission: list[dict[str, str]] = []
    """Its own rules of permission, of which the last that fits decides."""


class SessionStatus(Read):
    """What a session does now. OpenCode lists only those that are not idle."""

    type: Literal["idle", "busy", "retry"]
    attempt: int = 0
    message: str = ""
    next: int = 0
    """Of `retry`: when the model is asked again, in milliseconds since 1970."""


class CallRef(Read):
    """The tool call that something is about."""

    message_id: str = Field(default="", alias="messageID")
    call_id: str = Field(default="", alias="callID")


class PermissionAsk(Read):
    """A call that waits for leave."""

    id: str
    session_id: str = Field(alias="sessionID")
    """Of the session that asks, which may be a subagent's."""
    permission: str
    """The kind of what is asked for: `bash`, `edit`, `external_directory`, `doom_loop` …"""
    patterns: list[str] = []
    always: list[str] = []
    """What `always` would allow from then on."""
    metadata: Json = {}
    tool: CallRef | None = None


class Choice(Read):
    """One answer to choose."""

    label: str
    description: str = ""


class QuestionItem(Read):
    """One question."""

    question: str
    header: str = ""
    options: list[Choice] = []
    multiple: bool = False
    custom: bool = True
    """Words of one's own are an answer, too."""


class QuestionAsk(Read):
    """Questions that a call puts to the person."""

    id: str
    session_id: str = Field(alias="sessionID")
    questions: list[QuestionItem] = []
    tool: CallRef | None = None


class Todo(Read):
    """One item of the agent's plan."""

    content: str
    status: str = "pending"
    """`pending`, `in_progress`, `completed` or `cancelled`."""
    priority: str = ""


class FileDiff(Read):
    """What a message changed in one file; only with snapshots on."""

    file: str = ""
    patch: str = ""
    additions: int = 0
    deletions: int = 0
    status: str = ""
    """`added`, `modified` or `deleted`."""


class ModelLimit(Read):
    """How much a model takes and gives, in tokens; 0 is not known."""

    context: int = 0
    output: int = 0


class CacheCost(Read):
    """Dollars per million tokens that went through the provider's cache."""

    read: float = 0.0
    write: float = 0.0


class ModelCost(Read):
    """Dollars per million tokens."""

    input: float = 0.0
    output: float = 0.0
    cache: CacheCost = CacheCost()


class AgentInfo(Read):
    """An agent that OpenCode has."""

    name: str


class ModelInfo(Read):
    """A model that OpenCode can call."""

    provider_id: str = Field(alias="providerID")
    id: str
    name: str = ""
    limit: ModelLimit = ModelLimit()
    cost: ModelCost = ModelCost()

    @property
    def ref(self) -> ModelRef:
        """What to ask for it by."""
        return ModelRef(self.provider_id, self.id)


class _Provider(Read):
    id: str
    models: dict[str, ModelInfo] = {}


class ProviderList(Read):
    """`GET /config/providers`."""

    providers: list[_Provider] = []
    default: dict[str, str] = {}

    @property
    def models(self) -> list[ModelInfo]:
        """Every model of every provider."""
        return [model for provider in self.providers for model in provider.models.values()]


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the live stream.

    Attributes:
        type: `message.part.updated`, `session.status` …
        properties: What it says, as it was sent.
        session_id: The session that it is about, which may be a subagent's.
    """

    type: str
    properties: Json
    session_id: str

    def part(self) -> Part | None:
        """Of `message.part.updated`: the part."""
        value = self.properties.get("part")
        return read_part(cast("Json", value)) if isinstance(value, dict) else None

    def message(self) -> MessageInfo | None:
        """Of `message.updated`: the message."""
        return _read(MessageInfo, self.properties.get("info"))

    def session(self) -> SessionInfo | None:
        """Of `session.created`, `session.updated` and `session.deleted`: the session."""
        return _read(SessionInfo, self.properties.get("info"))

    def status(self) -> SessionStatus | None:
        """Of `session.status`: the status."""
        return _read(SessionStatus, self.properties.get("status"))

    def error(self) -> ErrorInfo | None:
        """Of `session.error`: why."""
        return _read(ErrorInfo, self.properties.get("error"))

    def permission(self) -> PermissionAsk | None:
        """Of `permission.asked`: what is asked for."""
        return _read(PermissionAsk, self.properties)

    def question(self) -> QuestionAsk | None:
        """Of `question.asked`: what is asked."""
        return _read(QuestionAsk, self.properties)

    def todos(self) -> list[Todo]:
        """Of `todo.updated`: the whole plan."""
        found = cast("list[object]", self.properties.get("todos") or [])
        read = [_read(Todo, value) for value in found]
        return [todo for todo in read if todo is not None]


def _read(shape: type[_Value], value: object) -> _Value | None:
    try:
        return shape.model_validate(value)
    except ValidationError:
        return None


def session_of(properties: Json) -> str:
    """The session that an event is about; empty when it is about none."""
    found = properties.get("sessionID")
    for name, inner in (("info", "sessionID"), ("part", "sessionID"), ("info", "id")):
        if found:
            break
        within = properties.get(name)
        found = cast("Json", within).get(inner) if isinstance(within, dict) else None
    return found if isinstance(found, str) else ""
