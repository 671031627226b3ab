"""What working with missions asks of rows, of a log in memory."""

from collections.abc import Iterator

from open_agent.core.ids import MessageId, MissionId, RunId, UserId
from open_agent.core.mission import Mission, MissionKind
from open_agent.events.projection import MissionRow
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow
from open_agent.store.control import AT_WORK, Waiting
from open_agent.store.rows import OwnerRow, mission_entity
from open_agent.testing.log import InMemoryLog

SAID = ("message.received", "message.edited", "run.finished")


class MemoryControl:
    """`ControlRows` of an `InMemoryLog`."""

    def __init__(self, log: InMemoryLog) -> None:
        self._rows = log.rows

    async def place(self, *, owner: UserId) -> OwnerRow:
        """How far the owner's stream has come, and which mission is current."""
        return self._rows.owner(owner)

    async def at_work(self, *, owner: UserId) -> list[Mission]:
        """The owner's conversations with something to do, longest untouched first."""
        rows = [row for row in self._conversations() if row.owner_id == owner]
        found = [row for row in rows if row.run_state in AT_WORK]
        return [mission_entity(row) for row in sorted(found, key=lambda r: (r.updated_at, r.id))]

    async def waiting(
        self, mission_id: MissionId, *, owner: UserId, after: str = "", limit: int = 100
    ) -> list[Waiting]:
        """Messages of a mission that no run has taken, in their order."""
        records = {record.seq: record for record in self._records(mission_id, owner)}
        rows = [row for row in self._rows.queue(mission_id) if row.position > after]
        return [Waiting(row, records[row.seq]) for row in rows[:limit] if row.seq in records]

    async def is_waiting(
        self, mission_id: MissionId, message_id: MessageId, *, owner: UserId
    ) -> bool:
        """Whether no run has taken a message of the owner's mission."""
        held = self._rows.missions.get(mission_id)
        rows = self._rows.queue(mission_id) if held and held.row.owner_id == owner else []
        return any(row.message_id == message_id for row in rows)

    async def asking(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions whose newest run has asked somebody something."""
        rows = [held.row for held in self._rows.missions.values() if held.row.questions]
        found = [row for row in rows if row.owner_id == owner]
        return [mission_entity(row) for row in sorted(found, key=lambda r: (r.updated_at, r.id))]

    async def said(
        self, mission_id: MissionId, *, owner: UserId, after: int = 0, limit: int = 1000
    ) -> list[Record]:
        """Messages, their edits and the ends of runs, with `seq > after`, in order."""
        records = self._records(mission_id, owner)
        return [r for r in records if r.seq > after and r.event.type in SAID][:limit]

    async def runs(self, *, owner: UserId, limit: int, offset: int = 0) -> list[RunRow]:
        """The owner's runs, newest first."""
        found = [run for run in self._rows.runs.values() if run.owner_id == owner]
        found.sort(key=lambda run: run.run_id)
        found.sort(key=lambda run: run.started_at, reverse=True)
        return found[offset : offset + limit]

    async def run(self, run_id: RunId, *, owner: UserId) -> RunRow | None:
        """One of the owner's runs, or nothing."""
        run = self._rows.runs.get(run_id)
        return run if run is not None and run.owner_id == owner else None

    async def run_records(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId, limit: int = 1000
    ) -> list[Record]:
        """What happened in a run, in order."""
        return [r for r in self._records(mission_id, owner) if r.run_id == run_id][:limit]

    async def run_ends(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId
    ) -> list[Record]:
        """That a run began and, if it has, that it ended."""
        records = self._records(mission_id, owner)
        types = ("run.started", "run.finished")
        return [r for r in records if r.run_id == run_id and r.event.type in types]

    def _conversations(self) -> Iterator[MissionRow]:
        for held in self._rows.missions.values():
            if held.row.kind is MissionKind.MISSION:
                yield held.row

    def _records(self, mission_id: MissionId, owner: UserId) -> list[Record]:
        events = self._rows.events.get(mission_id, [])
        return [event.record() for event in events if event.owner_id == owner]
