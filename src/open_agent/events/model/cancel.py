"""Somebody wants a run to stop."""

from typing import Literal

from open_agent.core.ids import UserId
from open_agent.events.model.base import EventBase


class CancelRequested(EventBase):
    """The mission's present run must end now, with every process it started."""

    type: Literal["cancel.requested"] = "cancel.requested"
    by: UserId
    reason: str = ""
