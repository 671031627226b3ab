"""What is learned of a session and is to go on the log: values between reading and recording.

`reading.py` makes them of what OpenCode sends, each once; `recording.py` makes events of them.
"""

from dataclasses import dataclass, field
from typing import Literal

from open_agent.backends.opencode.protocol.parts import (
    Part,
    ReasoningPart,
    StepFinishPart,
    TextPart,
    ToolPart,
)
from open_agent.backends.opencode.protocol.wire import ErrorInfo, MessageInfo, SessionStatus
from open_agent.core.ids import CallId
from open_agent.events.model.model_call import Purpose
from open_agent.events.model.tool import Effect

StepStage = Literal["new", "asked", "failed", "over"]
"""`failed`: a try of it did, and OpenCode will try again."""
CallStage = Literal["wanted", "called", "returned"]

EFFECTS: dict[str, Effect] = {
    "read": "read",
    "grep": "read",
    "glob": "read",
    "list": "read",
    "lsp": "read",
    "skill": "read",
    "todoread": "read",
    "todowrite": "read",
    "invalid": "read",
    "edit": "write",
    "multiedit": "write",
    "write": "write",
    "patch": "write",
    "apply_patch": "write",
    "bash": "execute",
    "webfetch": "network",
    "websearch": "network",
    "codesearch": "network",
    "task": "delegate",
    "question": "ask",
}
"""What OpenCode's own tools may change; of all others the worst is assumed."""


def effect_of(tool: str) -> Effect:
    """What a tool of OpenCode, or of an MCP server that it uses, may change."""
    return EFFECTS.get(tool, "execute")


@dataclass(slots=True)
class Call:
    """A tool call of the session or of a subagent's, and how far it is on the log."""

    id: CallId
    """OpenCode's id of the part, which no other call has."""
    name: str
    within: CallId | None = None
    stage: CallStage = "wanted"
    part: ToolPart | None = None
    """As it was seen last."""

    @property
    def effect(self) -> Effect:
        """What it may change."""
        return effect_of(self.part.tool if self.part else self.name)


@dataclass(slots=True)
class Step:
    """A message of the assistant, which is one model call, and how far it is on the log."""

    message_id: str
    session_id: str
    within: CallId | None = None
    """The call for which a subagent writes it."""
    number: int = 0
    attempt: int = 0
    stage: StepStage = "new"
    info: MessageInfo | None = None
    parts: dict[str, Part] = field(default_factory=dict[str, Part])
    """In their order; none any more once it is over."""
    dropped: set[str] = field(default_factory=set[str])
    """Parts that a failed try left half written."""

    @property
    def purpose(self) -> Purpose:
        """What the model is called for."""
        if self.within is not None:
            return "subagent"
        return "compaction" if self.info is not None and self.info.agent == "compaction" else "step"

    @property
    def end(self) -> StepFinishPart | None:
        """What was used, once the reply is complete."""
        found = [part for part in self.parts.values() if isinstance(part, StepFinishPart)]
        return found[-1] if found else None

    @property
    def tools(self) -> list[ToolPart]:
        """The calls that it asks for, in their order."""
        return [part for part in self.parts.values() if isinstance(part, ToolPart)]

    def text(self) -> str:
        """What it says."""
        return "\n\n".join(p.text for p in self._kept() if isinstance(p, TextPart) and p.text)

    def reasoning(self) -> str:
        """What the model thought."""
        return "\n\n".join(p.text for p in self._kept() if isinstance(p, ReasoningPart) and p.text)

    def _kept(self) -> list[Part]:
        return [part for id_, part in self.parts.items() if id_ not in self.dropped]


@dataclass(frozen=True, slots=True)
class Asked:
    """A model call begins."""

    step: Step


@dataclass(frozen=True, slots=True)
class TryFailed:
    """A model call failed, and OpenCode will make it again."""

    step: Step
    status: SessionStatus
    partial_text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A model call is over: its reply is complete, or there is no more of it to come."""

    step: Step
    error: ErrorInfo | None = None
    is_lost: bool = False
    """OpenCode will never say how it ended."""


@dataclass(frozen=True, slots=True)
class Called:
    """A tool call has begun."""

    call: Call


@dataclass(frozen=True, slots=True)
class Returned:
    """A tool call has ended; where nobody knows how, `lost` says why."""

    call: Call
    lost: Literal["unknown", "cancelled"] | None = None


@dataclass(frozen=True, slots=True)
class Noted:
    """Something else that should be on the log."""

    kind: str
    message: str


Fact = Asked | TryFailed | Ended | Called | Returned | Noted
