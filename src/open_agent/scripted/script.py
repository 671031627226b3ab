"""Scripts: what a scripted model says, as a pure function of what it was asked.

A script keeps no state, so that a retry, or the same request after a crash, gets the same turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from open_agent.scripted.faults import Fault

Json = dict[str, Any]
CallStyle = Literal["openai", "whole", "no_index", "same_index", "no_id"]
"""How tool calls are streamed: as OpenAI does it, each in one piece, or as less careful servers."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the model makes."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict[str, Any])
    """An object, or text that is sent as it is, JSON or not."""
    id: str | None = None
    """Made from the turn and the place of the call when absent."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the model says it used."""

    input: int = 100
    output: int = 20
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cost_dollars: float | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """How the bytes go out; all of it is within what clients must bear."""

    chunk_chars: int = 16
    """Characters of text or arguments per chunk."""
    delay: float = 0.0
    """Seconds before each chunk."""
    calls: CallStyle = "openai"
    line_end: Literal["\n", "\r\n", "\r"] = "\n"
    piece_bytes: int | None = None
    """Cut the body into pieces of this size, through lines and characters alike."""
    is_gzip: bool = False
    is_multi_line: bool = False
    """Spread each chunk's JSON over several `data:` lines."""
    is_streamed: bool = True
    """Otherwise the reply comes as one JSON object, though a stream was asked for."""
    has_end: bool = True
    """Send `[DONE]`."""
    has_usage: bool = True
    comments: int = 0
    """Keep-alive comments before each chunk."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply, and how it goes wrong."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish_reason: str | None = None
    """`tool_calls` or `stop` when absent."""
    tokens: Tokens = Tokens()
    reasoning_details: tuple[dict[str, Any], ...] = ()
    style: Style = Style()
    fault: Fault | None = None
    fault_attempts: int | None = None
    """How many attempts at this turn meet the fault; absent means all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as a script sees it."""

    body: Json
    attempt: int
    """1 when these messages come for the first time."""

    @property
    def messages(self) -> list[Json]:
        """The conversation."""
        return self.body["messages"]

    @property
    def model(self) -> str:
        """The model asked for."""
        return self.body["model"]

    @property
    def turn(self) -> int:
        """Replies that the conversation already holds."""
        return sum(message["role"] == "assistant" for message in self.messages)


Script = Callable[[Asked], Turn]


def say(*turns: Turn | str, then: Turn | str = "Done.") -> Script:
    """A script of turns in order, and what is said once they are used up."""
    listed = [_as_turn(turn) for turn in turns]
    last = _as_turn(then)
    return lambda asked: listed[asked.turn] if asked.turn < len(listed) else last


def always(turn: Turn | str) -> Script:
    """A script that says the same whatever it is asked."""
    said = _as_turn(turn)
    return lambda asked: said


def _as_turn(turn: Turn | str) -> Turn:
    return Turn(text=turn) if isinstance(turn, str) else turn
