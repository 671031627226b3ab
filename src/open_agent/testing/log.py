"""The event log in memory: the same rules as on a database, nothing durable.

It stands on the same ledger as the databases, so a test that passes here can only fail there by
something that SQL does. A new mission's epoch is 0 until somebody claims it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio.lowlevel

from open_agent.core.clock import Clock, SystemClock
from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.log import Appended, CommitListener, Copy, EncodedRecord, Opened
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.union import Event, ExternalEvent
from open_agent.events.queue import QueueRow, apply_change
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow
from open_agent.events.search import TextRow
from open_agent.store.ledger import HeldMission, Ledger, Opening, mission_not_found
from open_agent.store.listeners import Listeners
from open_agent.store.requests import (
    AnyRequest,
    DeleteRequest,
    append_request,
    external_request,
    fork_request,
    open_request,
)
from open_agent.store.rows import OwnerRow, StoredEvent


@dataclass(slots=True)
class MemoryRows:
    """What a database would hold; a `Source` for the ledger."""

    missions: dict[MissionId, HeldMission] = field(default_factory=dict[MissionId, HeldMission])
    holders: dict[MissionId, str] = field(default_factory=dict[MissionId, str])
    runs: dict[RunId, RunRow] = field(default_factory=dict[RunId, RunRow])
    owners: dict[UserId, OwnerRow] = field(default_factory=dict[UserId, OwnerRow])
    queues: dict[MissionId, list[QueueRow]] = field(default_factory=dict[MissionId, list[QueueRow]])
    events: dict[MissionId, list[StoredEvent]] = field(
        default_factory=dict[MissionId, list[StoredEvent]]
    )
    texts: dict[tuple[MissionId, str], TextRow] = field(
        default_factory=dict[tuple[MissionId, str], TextRow]
    )
    openings: dict[tuple[UserId, str], Opening] = field(
        default_factory=dict[tuple[UserId, str], Opening]
    )

    def mission(self, mission_id: MissionId) -> HeldMission | None:
        """A mission, or nothing."""
        held = self.missions.get(mission_id)
        return held and HeldMission(held.row, held.epoch)

    def is_deleted(self, mission_id: MissionId) -> bool:
        """There was such a mission."""
        return mission_id in self.events

    def find_run(self, run_id: RunId) -> RunRow | None:
        """A run, or nothing."""
        return self.runs.get(run_id)

    def owner(self, owner: UserId) -> OwnerRow:
        """An owner, known or new."""
        return self.owners.get(owner, OwnerRow())

    def queue(self, mission_id: MissionId) -> list[QueueRow]:
        """A mission's queue in its order."""
        return self.queues.get(mission_id, [])

    def opening(self, owner: UserId, key: str) -> Opening | None:
        """What the owner's idempotency key was used for."""
        return self.openings.get((owner, key))

    def keyed(self, mission_id: MissionId, key: str) -> StoredEvent | None:
        """The event that was appended with the key."""
        return next((e for e in self.events[mission_id] if e.key == key), None)

    def between(self, mission_id: MissionId, after: int, upto: int) -> list[StoredEvent]:
        """Events with `after < seq <= upto`."""
        return self.events.get(mission_id, [])[after:upto]

    def keep(self, ledger: Ledger) -> None:
        """Take over what the ledger changed."""
        for event in ledger.new:
            self.events.setdefault(event.mission_id, []).append(event)
        for mission_id, request in ledger.opened.items():
            if request.key is not None:
                opening = Opening(mission_id, request.digest)
                self.openings[request.owner, request.key] = opening
        for mission_id in ledger.changed | ledger.opened.keys():
            self.missions[mission_id] = ledger.missions[mission_id]
        self.runs |= ledger.runs
        self.owners |= ledger.owners
        for change in ledger.queue:
            self.queues[change.mission_id] = apply_change(self.queue(change.mission_id), change)
        for change in ledger.texts:
            self.texts.pop((change.mission_id, change.name), None)
            if isinstance(change, TextRow):
                self.texts[change.mission_id, change.name] = change
        for mission_id in ledger.deleted:
            self.texts = {k: text for k, text in self.texts.items() if k[0] != mission_id}
            del self.missions[mission_id]
            self.holders.pop(mission_id, None)
            self.queues.pop(mission_id, None)
            self.openings = {
                key: opening
                for key, opening in self.openings.items()
                if opening.mission_id != mission_id
            }
            self.events[mission_id] = self.events[mission_id][-1:]
            self.runs = {k: run for k, run in self.runs.items() if run.mission_id != mission_id}


class InMemoryLog:
    """`EventLog` for tests."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.rows = MemoryRows()
        self._listeners = Listeners()

    async def open_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        message: MessageReceived | None,
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission with its first events, once per owner and `key`."""
        done = await self._commit(open_request(mission_id, created, message, key, digest))
        assert isinstance(done, Opened)
        return done

    async def append(
        self,
        mission_id: MissionId,
        epoch: int,
        events: Sequence[Event],
        *,
        run_id: RunId | None,
        known_seq: int,
    ) -> Appended:
        """Append as the holder of the mission's lease."""
        done = await self._commit(append_request(mission_id, epoch, events, run_id, known_seq))
        assert isinstance(done, Appended)
        return done

    async def append_external(
        self, mission_id: MissionId, event: ExternalEvent, *, key: str, owner: UserId
    ) -> Appended:
        """Append without a lease, once per mission and `key`."""
        done = await self._commit(external_request(mission_id, event, key, owner))
        assert isinstance(done, Appended)
        return done

    async def fork_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        copies: Sequence[Copy],
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission that begins with copies."""
        done = await self._commit(fork_request(mission_id, created, copies, key, digest))
        assert isinstance(done, Opened)
        return done

    async def delete_mission(
        self,
        mission_id: MissionId,
        children: Sequence[MissionId],
        *,
        by: UserId,
        owner: UserId,
        known_seq: int | None = None,
    ) -> Appended:
        """Remove a mission and what it delegated."""
        done = await self._commit(DeleteRequest(mission_id, tuple(children), owner, by, known_seq))
        assert isinstance(done, Appended)
        return done

    async def read_owned(
        self, owner: UserId, *, after: int = 0, limit: int = 1000
    ) -> list[EncodedRecord]:
        """Records of all that is the owner's, with `owner_seq > after`, in that order."""
        found = [e for page in self.rows.events.values() for e in page if e.owner_id == owner]
        found.sort(key=lambda event: event.owner_seq)
        return [event.encoded() for event in found if event.owner_seq > after][:limit]

    async def read(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        owner: UserId | None = None,
    ) -> list[Record]:
        """Records with `after < seq < before`, in order; with `owner`, only if it is theirs."""
        held = self.rows.missions.get(mission_id)
        if owner is not None and (held is None or held.row.owner_id != owner):
            raise mission_not_found(mission_id)
        return [event.record() for event in self._page(mission_id, after, before, limit)]

    async def read_encoded(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
    ) -> list[EncodedRecord]:
        """As `read`, but as the bytes that streams send; callers have checked the owner."""
        return [event.encoded() for event in self._page(mission_id, after, before, limit)]

    async def last_compaction(self, mission_id: MissionId) -> Record | None:
        """The newest `history.compacted`, where a fold may start."""
        for event in reversed(self.rows.events.get(mission_id, [])):
            if isinstance(event.event, HistoryCompacted):
                return event.record()
        return None

    def on_commit(self, listener: CommitListener) -> None:
        """Tell `listener` of every record committed from now on."""
        self._listeners.add(listener)

    async def _commit(self, request: AnyRequest) -> Appended | Opened:
        # As with a real log, other tasks run while an append is under way.
        await anyio.lowlevel.checkpoint()
        ledger = Ledger(self.rows, self.clock.now())
        done = ledger.carry_out(request)
        self.rows.keep(ledger)
        self._listeners.tell(ledger.new)
        return done

    def _page(
        self, mission_id: MissionId, after: int, before: int | None, limit: int
    ) -> list[StoredEvent]:
        events = self.rows.events.get(mission_id, [])
        upto = len(events) if before is None else max(0, before - 1)
        return events[max(0, after) : upto][:limit]
