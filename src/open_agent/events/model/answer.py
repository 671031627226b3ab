"""Questions that park a run until somebody answers, or until their deadline."""

from datetime import datetime
from typing import Any, Literal

from open_agent.core.ids import CallId, UserId
from open_agent.events.model.base import EventBase

QuestionKind = Literal["input", "approval"]
"""A tool whose result a person gives, or a call that a person has to allow."""


class AnswerRequested(EventBase):
    """A tool call needs a person; without an answer by `until`, the default is taken."""

    type: Literal["answer.requested"] = "answer.requested"
    call_id: CallId
    name: str
    kind: QuestionKind
    arguments: dict[str, Any]
    """For people: what is asked, or what the call would do; long texts in it are shortened."""
    reason: str = ""
    """Of an approval: which rule asks for it."""
    until: datetime
    default: Any = None
    """The result that is taken then; of an approval, `allow` or `deny`."""


class AnswerGiven(EventBase):
    """Somebody answered; only the first answer counts."""

    type: Literal["answer.given"] = "answer.given"
    call_id: CallId
    answer: Any
    """Any JSON; of an approval, `allow` or `deny`."""
    by: UserId


class AnswerDefaulted(EventBase):
    """Nobody answered in time; answers that come later are refused."""

    type: Literal["answer.defaulted"] = "answer.defaulted"
    call_id: CallId
    decided_on: int
    """The `seq` of the newest event that the decision knew."""
