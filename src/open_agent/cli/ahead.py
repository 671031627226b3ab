"""Whether a mission that is followed has more to come."""

from open_agent.core.ids import MessageId
from open_agent.events.model.backend import BackendPrompted
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.queue import MessageRemoved, QueueReleased
from open_agent.events.model.run import RunStarted
from open_agent.events.record import Record


class Ahead:
    """Knows how far the log goes, and which messages have no run yet."""

    def __init__(self) -> None:
        self._head = 0
        self._seq = 0
        self._waiting: set[MessageId] = set()
        self._steering: set[MessageId] = set()
        self._is_held = False

    @property
    def is_more(self) -> bool:
        """Something happened already that was not seen, or a message is about to be carried out."""
        return self._seq < self._head or (bool(self._waiting) and not self._is_held)

    def reach(self, last_seq: int) -> None:
        """The log goes so far at least."""
        self._head = max(self._head, last_seq)

    def see(self, record: Record) -> None:
        """A record was seen."""
        self._seq = record.seq
        match record.event:
            case MessageReceived() as event:
                self._waiting.add(event.message_id)
                if event.delivery == "steer":
                    self._steering.add(event.message_id)
                self._is_held = False
            case MessageRemoved() as event:
                self._waiting.discard(event.message_id)
            case RunStarted() as event:
                self._waiting.difference_update(event.message_ids)
            case BackendPrompted(cause="steer") as event:
                self._waiting.difference_update(event.message_ids)
                self._steering.difference_update(event.message_ids)
            case ModelAsked(purpose="step"):
                # The run under way takes them all.
                self._waiting -= self._steering
                self._steering.clear()
            case CancelRequested():
                self._is_held = True
            case QueueReleased():
                self._is_held = False
            case _:
                pass
