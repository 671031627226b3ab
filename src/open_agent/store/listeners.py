"""Tells those who asked of what this process has committed."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

from open_agent.core.ids import UserId
from open_agent.events.log import CommitListener, EncodedRecord
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
                _call(listener, owner, encoded)


def _call(listener: CommitListener, owner: UserId, records: Sequence[EncodedRecord]) -> None:
    try:
        listener(owner, records)
    except Exception as error:  # noqa: BLE001 # boundary: a watcher's bug must not cost an appender
        asyncio.get_running_loop().call_exception_handler(
            {"message": "A commit listener failed", "exception": error}
        )
