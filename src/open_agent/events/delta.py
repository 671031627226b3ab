"""Live fragments: never stored, never numbered. Losing every one of them loses nothing."""

from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId, MissionId, RunId

DeltaKind = Literal["text", "reasoning", "output"]
"""Of the model's reply, of its reasoning, or of a running command."""


class Delta(BaseModel):
    """A piece of text as it is being written, as streams send it.

    `offset` counts the characters of the same stream that came before, so that a reader who
    joined late or missed a piece can tell.
    """

    model_config = ConfigDict(frozen=True)

    mission_id: MissionId
    run_id: RunId
    kind: DeltaKind
    step: int
    call_id: CallId | None = None
    """The tool call whose output it is."""
    offset: int
    content: str


@dataclass(frozen=True, slots=True)
class DeltaSource:
    """What is being written: the stream that fragments belong to."""

    mission_id: MissionId
    run_id: RunId
    step: int
    call_id: CallId | None = None


class DeltaStream(Protocol):
    """Takes the fragments of one source."""

    def write(self, kind: DeltaKind, content: str) -> None:
        """Hand on one fragment. Never blocks, never fails."""
        ...

    def close(self) -> None:
        """Nothing more comes; the whole of it is, or will be, an event."""
        ...


class DeltaSink(Protocol):
    """Where live fragments go. `engine/feed.py` tells watchers; `NoDeltas` drops them."""

    def open(self, source: DeltaSource) -> DeltaStream:
        """Begin a stream of fragments."""
        ...


class NoDeltas:
    """Drops every fragment."""

    def open(self, source: DeltaSource) -> "NoDeltas":
        """Begin a stream that goes nowhere."""
        del source
        return self

    def write(self, kind: DeltaKind, content: str) -> None:
        """Drop one fragment."""

    def close(self) -> None:
        """Nothing to do."""
