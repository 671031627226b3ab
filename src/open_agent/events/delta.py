"""Live fragments: never stored, never numbered. Losing every one of them loses nothing."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from open_agent.core.ids import CallId, MissionId, RunId


class Delta(BaseModel):
    """A piece of text as it is being written.

    `offset` counts the characters of the same stream that came before, so that a reader who
    joined late or missed one can tell.
    """

    model_config = ConfigDict(frozen=True)

    mission_id: MissionId
    run_id: RunId | None
    kind: Literal["text", "reasoning", "output"]
    """Of the model's reply, of its reasoning, or of a running command."""
    step: int
    call_id: CallId | None = None
    """The tool call whose output it is."""
    offset: int
    content: str


class DeltaSink:
    """Where live fragments go. This one drops them; `engine/feed.py` has the one that tells watchers."""

    def is_watched(self, mission_id: MissionId) -> bool:
        """Whether anybody would see a fragment; when not, none need be made."""
        return False

    def emit(self, delta: Delta) -> None:
        """Hand on one fragment. Never blocks, never fails."""
