"""Tells those who asked of what this process has committed."""

from collections.abc import Sequence
from itertools import groupby

from open_agent.events.log import CommitListener
from open_agent.store.rows import StoredEvent


class Listeners:
    """Callbacks of `EventLog.on_commit`; called on the event loop, in the order of commits."""

    def __init__(self) -> None:
        self._listeners: list[CommitListener] = []

    def add(self, listener: CommitListener) -> None:
        """Tell `listener` from now on."""
        self._listeners.append(listener)

    def tell(self, committed: Sequence[StoredEvent]) -> None:
        """Hand on what was committed, owner by owner, each event encoded once."""
        if not (self._listeners and committed):
            return
        ordered = sorted(committed, key=lambda event: event.owner_id)
        for owner, events in groupby(ordered, key=lambda event: event.owner_id):
            encoded = [event.encoded() for event in events]
            for listener in self._listeners:
                listener(owner, encoded)
