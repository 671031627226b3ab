"""What people say to a mission."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.ids import MessageId, UserId
from open_agent.events.model.base import EventBase

Delivery = Literal["queue", "steer", "interrupt"]
"""When a message is seen: after this run, before the next model call, or at once."""


Cause = Literal["person", "resume", "delegate"]
"""Who wrote a message: a person, the server for a person who resumed, a run that delegates."""


class RunOptions(BaseModel):
    """What the sender asks of the run that a message starts; absent means the server's default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | None = None
    backend: str | None = None
    budget_microdollars: int | None = Field(default=None, ge=0)
    steps: int | None = Field(default=None, ge=1)
    wall_seconds: int | None = Field(default=None, ge=1)


class MessageReceived(EventBase):
    """Somebody sent a message; acknowledged once this is on the log."""

    type: Literal["message.received"] = "message.received"
    message_id: MessageId
    sender: UserId
    content: str
    delivery: Delivery = "queue"
    options: RunOptions = RunOptions()
    cause: Cause = "person"
