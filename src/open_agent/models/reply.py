"""What is asked of a model and what comes back, in neutral values.

`encoding.py` makes requests, `client.py` turns them into replies; the loop turns replies into
events. Nothing here knows the wire.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from open_agent.core.run import Usage

ModelErrorCode = Literal[
    "provider.unreachable",
    "provider.rate_limited",
    "provider.overloaded",
    "provider.silent",
    "provider.no_first_token",
    "provider.too_slow",
    "provider.broken_stream",
    "provider.not_a_stream",
    "provider.unauthorized",
    "provider.payment_required",
    "provider.refused",
    "provider.context_too_long",
    "provider.model_not_found",
    "provider.error",
]
"""Every way a call of a model can fail, as stable codes."""

OnDelta = Callable[[Literal["text", "reasoning"], str], None]
"""Told each piece of a reply as it comes."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request, ready to be sent."""

    unclosed: bytes
    """The JSON body, UTF-8, without its last brace: each endpoint wants fields of its own added."""
    model: str
    max_tokens: int | None = None
    """The most that the reply may have; endpoints differ in the field's name."""
    lighter: int = 0
    """Bytes that pictures in it have beyond what they count as."""

    @property
    def body(self) -> bytes:
        """The JSON body without what endpoints add; a copy."""
        return self.unclosed + b"}"

    @property
    def size(self) -> int:
        """Bytes of that body, with pictures as what they count as."""
        return len(self.unclosed) + 1 - self.lighter


@dataclass(frozen=True, slots=True)
class WireCall:
    """A tool call as the provider sent it: nothing about it is certain."""

    id: str
    """The provider's id; may be empty, or the same for two calls."""
    name: str
    """May be empty, or no tool's name; cut when it is absurdly long."""
    arguments: str
    """Supposedly a JSON object."""
    problem: str | None = None
    """Why the call is known to be incomplete, for the model; it must then not be run."""


@dataclass(frozen=True, slots=True)
class ModelReply:
    """A complete reply."""

    model: str
    """The model that answered, as the provider names it."""
    provider: str | None
    """Who ran the model, where a router says so."""
    text: str
    reasoning: str
    tool_calls: tuple[WireCall, ...]
    finish_reason: str
    """The provider's word: `stop`, `tool_calls`, `length`, `content_filter` …; `length` also when
    the reply went over our own bounds and reading was stopped; `unknown` when nobody said."""
    usage: Usage
    cost_microdollars: int | None
    """What the provider says it charged, rounded up; absent when it did not say."""
    provider_message: dict[str, Any] | None
    """What the same model wants replayed with this reply; only `encoding.py` reads it."""
    first_token_ms: int | None
    duration_ms: int


class ModelError(Exception):
    """A call of the model ended without a usable reply.

    Attributes:
        code: Stable; see `ModelErrorCode`.
        message: For a person: what happened and what to do. Never holds the API key.
        status: The HTTP status, or the one that an error inside a stream named.
        is_retryable: The same request may succeed later.
        retry_after: Seconds the provider asked us to wait.
        partial_text: What had been streamed when it ended.
        usage: What the provider had reported of it.
        cost_microdollars: 0 when nothing was charged, absent when nobody said.
        duration_ms: From the start of the call.
        was_sent: False when no byte of the request can have reached the provider.
    """

    def __init__(
        self,
        code: ModelErrorCode,
        message: str,
        *,
        status: int | None = None,
        is_retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ModelErrorCode = code
        self.message = message
        self.status = status
        self.is_retryable = is_retryable
        self.retry_after = retry_after
        self.partial_text = ""
        self.usage = Usage()
        self.cost_microdollars: int | None = None
        self.duration_ms = 0
        self.was_sent = True
