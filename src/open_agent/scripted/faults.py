"""Everything that providers do wrong, one value each.

What the model itself gets wrong (unknown tools, arguments that are not JSON) needs no fault: a
turn can say it.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status other than 200."""

    status: int
    message: str = "scripted refusal"
    code: str | None = None
    retry_after: str | None = None
    kind: Literal["refusal"] = "refusal"


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Status 200, and JSON that says it failed."""

    message: str = "scripted failure"
    code: int | str = 502
    kind: Literal["error_body"] = "error_body"


@dataclass(frozen=True, slots=True)
class WebPage:
    """A web page in place of a reply."""

    status: int = 200
    content_type: str = "text/html; charset=utf-8"
    kind: Literal["web_page"] = "web_page"


@dataclass(frozen=True, slots=True)
class Empty:
    """Status 200, and nothing."""

    kind: Literal["empty"] = "empty"


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing more comes, and the connection stays open."""

    after: int | None = None
    """Chunks that come before it; absent means that not even the status comes."""
    kind: Literal["silence"] = "silence"


@dataclass(frozen=True, slots=True)
class KeepAlives:
    """Comments in place of chunks."""

    after: int = 0
    interval: float = 0.02
    seconds: float | None = None
    """Until the reply goes on; absent means for ever."""
    data: str | None = None
    """A chunk that says nothing, sent in place of a comment."""
    kind: Literal["keep_alives"] = "keep_alives"


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection closes in the middle."""

    after: int
    """Chunks that come before it."""
    part: int = 0
    """Bytes of the next chunk that still come."""
    is_clean: bool = False
    """The body ends as if it were complete."""
    kind: Literal["cut"] = "cut"


@dataclass(frozen=True, slots=True)
class ErrorChunk:
    """A chunk says that the provider failed."""

    after: int = 0
    message: str = "scripted failure"
    code: int | str = 502
    kind: Literal["error_chunk"] = "error_chunk"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A chunk is not what it should be."""

    after: int = 0
    data: str = '{"choices": [{"delta":'
    kind: Literal["malformed"] = "malformed"


@dataclass(frozen=True, slots=True)
class Repeated:
    """A chunk comes twice."""

    chunk: int = 1
    kind: Literal["repeated"] = "repeated"


@dataclass(frozen=True, slots=True)
class Trickle:
    """The body comes byte by byte."""

    interval: float = 1.0
    kind: Literal["trickle"] = "trickle"


Fault = (
    Refusal
    | ErrorBody
    | WebPage
    | Empty
    | Silence
    | KeepAlives
    | Cut
    | ErrorChunk
    | Malformed
    | Repeated
    | Trickle
)
