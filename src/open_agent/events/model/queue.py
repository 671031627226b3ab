"""What people do to messages that wait for their run. Refused once a run has taken the message."""

from typing import Literal

from open_agent.core.ids import MessageId, UserId
from open_agent.events.model.base import EventBase


class MessageEdited(EventBase):
    """A waiting message says something else now."""

    type: Literal["message.edited"] = "message.edited"
    message_id: MessageId
    content: str
    by: UserId


class MessageMoved(EventBase):
    """A waiting message has another place in the queue."""

    type: Literal["message.moved"] = "message.moved"
    message_id: MessageId
    before: MessageId | None
    """The waiting message that it now stands right before; none puts it last."""
    by: UserId


class MessageRemoved(EventBase):
    """A waiting message will not be carried out."""

    type: Literal["message.removed"] = "message.removed"
    message_id: MessageId
    by: UserId


class QueueReleased(EventBase):
    """The queue, held by a cancel, goes on."""

    type: Literal["queue.released"] = "queue.released"
    by: UserId
