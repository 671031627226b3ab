"""What a conversation has begun and not placed yet: messages, and replies that want results."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from open_agent.core.ids import CallId, MessageId
from open_agent.events.model.base import BlobRef
from open_agent.events.model.model_call import RequestedCall
from open_agent.models.fragments import Kind


@dataclass(slots=True)
class Waiting:
    """A message that has come and has no place yet."""

    seq: int
    kind: Kind
    encoded: bytes
    message_id: MessageId | None
    is_steering: bool


@dataclass(slots=True)
class OpenReply:
    """A reply whose calls are not all answered."""

    seq: int
    calls: Sequence[RequestedCall]
    results: dict[str, str] = field(default_factory=dict[str, str])
    images: dict[str, list[BlobRef]] = field(default_factory=dict[str, list[BlobRef]])

    def takes(self, call_id: CallId) -> bool:
        """Whether a result of this call is wanted."""
        return call_id not in self.results and any(c.call_id == call_id for c in self.calls)
