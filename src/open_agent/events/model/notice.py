"""What the system tells the model on its own account."""

from typing import Literal

from open_agent.events.model.base import EventBase


class NoticeGiven(EventBase):
    """The model is told something by the system, once, before its next call."""

    type: Literal["notice.given"] = "notice.given"
    kind: Literal["repeating", "empty_reply", "tool_failing", "length", "forked", "note", "disk"]
    content: str
