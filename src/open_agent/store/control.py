"""What working with missions asks of their rows, beside lists of them.

Queues with their messages, what an owner has in hand, and the runs as rows of their own.
"""

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import ColumnElement, and_, bindparam, or_, select

from open_agent.core.ids import MessageId, MissionId, RunId, UserId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import RunState
from open_agent.events.queue import QueueRow
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow
from open_agent.store.ports import Reader
from open_agent.store.rows import (
    OwnerRow,
    Row,
    event_from,
    mission_entity,
    mission_from,
    queue_from,
    run_from,
)
from open_agent.store.statement import Compile
from open_agent.store.tables import SAID, events, missions, owners, projected_mission, queue, runs

AT_WORK = frozenset({RunState.QUEUED, RunState.RUNNING, RunState.WAITING})
"""States of a mission with something to do."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits, with the record that brought it."""

    row: QueueRow
    record: Record


class ControlRows(Protocol):
    """Reads what working with missions needs."""

    async def place(self, *, owner: UserId) -> OwnerRow:
        """How far the owner's stream has come, and which mission is current."""
        ...

    async def at_work(self, *, owner: UserId) -> list[Mission]:
        """The owner's conversations with something to do, longest untouched first."""
        ...

    async def waiting(
        self, mission_id: MissionId, *, owner: UserId, after: str = "", limit: int = 100
    ) -> list[Waiting]:
        """Messages of a mission that no run has taken, in their order.

        Args:
            mission_id: Of the owner's.
            owner: Whose it is.
            after: Only those behind this position.
            limit: At most so many.
        """
        ...

    async def is_waiting(
        self, mission_id: MissionId, message_id: MessageId, *, owner: UserId
    ) -> bool:
        """Whether no run has taken a message of the owner's mission."""
        ...

    async def asking(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions whose newest run has asked somebody something."""
        ...

    async def said(
        self, mission_id: MissionId, *, owner: UserId, after: int = 0, limit: int = 1000
    ) -> list[Record]:
        """Messages, their edits and the ends of runs, with `seq > after`, in order."""
        ...

    async def runs(self, *, owner: UserId, limit: int, offset: int = 0) -> list[RunRow]:
        """The owner's runs, newest first."""
        ...

    async def run(self, run_id: RunId, *, owner: UserId) -> RunRow | None:
        """One of the owner's runs, or nothing."""
        ...

    async def run_records(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId, limit: int = 1000
    ) -> list[Record]:
        """What happened in a run, in order."""
        ...

    async def run_ends(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId
    ) -> list[Record]:
        """That a run began and, if it has, that it ended."""
        ...


class ControlStatements:
    """The SQL of it."""

    def __init__(self, compile_: Compile) -> None:
        self._build_missions(compile_)
        self._build_queue(compile_)
        self._build_runs(compile_)

    def _build_missions(self, compile_: Compile) -> None:
        mine = missions.c.owner_id == bindparam("owner")
        is_conversation = missions.c.kind == MissionKind.MISSION.value
        is_at_work = or_(*(missions.c.run_state == state.value for state in sorted(AT_WORK)))
        self.place = compile_(
            select(owners.c.last_seq, owners.c.current_mission).where(
                owners.c.owner_id == bindparam("owner")
            )
        )
        self.at_work = compile_(
            select(*projected_mission())
            .where(mine, is_conversation, is_at_work)
            .order_by(missions.c.updated_at, missions.c.id)
        )
        self.asking = compile_(
            select(*projected_mission())
            .where(mine, missions.c.questions != "[]")
            .order_by(missions.c.updated_at, missions.c.id)
        )

    def _build_queue(self, compile_: Compile) -> None:
        mine = missions.c.owner_id == bindparam("owner")
        message = and_(events.c.mission_id == queue.c.mission_id, events.c.seq == queue.c.seq)
        self.waiting = compile_(
            select(*queue.c, *events.c)
            .join_from(queue, events, message)
            .where(
                queue.c.mission_id == bindparam("mission"),
                queue.c.position > bindparam("after"),
                events.c.owner_id == bindparam("owner"),
            )
            .order_by(queue.c.position)
            .limit(bindparam("rows"))
        )
        self.is_waiting = compile_(
            select(queue.c.seq)
            .join_from(queue, missions, missions.c.id == queue.c.mission_id)
            .where(
                mine,
                queue.c.mission_id == bindparam("mission"),
                queue.c.message_id == bindparam("message"),
            )
        )
        self.said = compile_(
            select(*events.c)
            .where(_of_mission(), SAID, events.c.seq > bindparam("after"))
            .order_by(events.c.seq)
            .limit(bindparam("rows"))
        )

    def _build_runs(self, compile_: Compile) -> None:
        of_run = and_(_of_mission(), events.c.run_id == bindparam("run"))
        is_end = or_(events.c.type == "run.started", events.c.type == "run.finished")
        mine = runs.c.owner_id == bindparam("owner")
        self.run_records = compile_(
            select(*events.c).where(of_run).order_by(events.c.seq).limit(bindparam("rows"))
        )
        self.run_ends = compile_(select(*events.c).where(of_run, is_end).order_by(events.c.seq))
        self.runs = compile_(
            select(*runs.c)
            .where(mine)
            .order_by(runs.c.started_at.desc(), runs.c.run_id)
            .limit(bindparam("rows"))
            .offset(bindparam("skipped"))
        )
        self.run = compile_(select(*runs.c).where(mine, runs.c.run_id == bindparam("run")))


def _of_mission() -> ColumnElement[bool]:
    return and_(
        events.c.mission_id == bindparam("mission"), events.c.owner_id == bindparam("owner")
    )


class StoredControl:
    """`ControlRows` on a database."""

    def __init__(self, reader: Reader, sql: ControlStatements) -> None:
        self._reader = reader
        self._sql = sql

    async def place(self, *, owner: UserId) -> OwnerRow:
        """How far the owner's stream has come, and which mission is current."""
        found = await self._reader.fetch(self._sql.place, _owner, owner=owner)
        return found[0] if found else OwnerRow()

    async def at_work(self, *, owner: UserId) -> list[Mission]:
        """The owner's conversations with something to do, longest untouched first."""
        return await self._reader.fetch(self._sql.at_work, _mission, owner=owner)

    async def waiting(
        self, mission_id: MissionId, *, owner: UserId, after: str = "", limit: int = 100
    ) -> list[Waiting]:
        """Messages of a mission that no run has taken, in their order."""
        return await self._reader.fetch(
            self._sql.waiting, _waiting, mission=mission_id, owner=owner, after=after, rows=limit
        )

    async def is_waiting(
        self, mission_id: MissionId, message_id: MessageId, *, owner: UserId
    ) -> bool:
        """Whether no run has taken a message of the owner's mission."""
        return bool(
            await self._reader.fetch(
                self._sql.is_waiting, tuple, mission=mission_id, message=message_id, owner=owner
            )
        )

    async def asking(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions whose newest run has asked somebody something."""
        return await self._reader.fetch(self._sql.asking, _mission, owner=owner)

    async def said(
        self, mission_id: MissionId, *, owner: UserId, after: int = 0, limit: int = 1000
    ) -> list[Record]:
        """Messages, their edits and the ends of runs, with `seq > after`, in order."""
        return await self._reader.fetch(
            self._sql.said, _record, mission=mission_id, owner=owner, after=after, rows=limit
        )

    async def runs(self, *, owner: UserId, limit: int, offset: int = 0) -> list[RunRow]:
        """The owner's runs, newest first."""
        return await self._reader.fetch(
            self._sql.runs, run_from, owner=owner, rows=limit, skipped=offset
        )

    async def run(self, run_id: RunId, *, owner: UserId) -> RunRow | None:
        """One of the owner's runs, or nothing."""
        found = await self._reader.fetch(self._sql.run, run_from, run=run_id, owner=owner)
        return found[0] if found else None

    async def run_records(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId, limit: int = 1000
    ) -> list[Record]:
        """What happened in a run, in order."""
        return await self._reader.fetch(
            self._sql.run_records, _record, mission=mission_id, run=run_id, owner=owner, rows=limit
        )

    async def run_ends(
        self, mission_id: MissionId, run_id: RunId, *, owner: UserId
    ) -> list[Record]:
        """That a run began and, if it has, that it ended."""
        return await self._reader.fetch(
            self._sql.run_ends, _record, mission=mission_id, run=run_id, owner=owner
        )


def _owner(row: Row) -> OwnerRow:
    return OwnerRow(*row)


def _mission(row: Row) -> Mission:
    return mission_entity(mission_from(row))


def _record(row: Row) -> Record:
    return event_from(row).record()


def _waiting(row: Row) -> Waiting:
    return Waiting(queue_from(row[: len(queue.c)]), _record(row[len(queue.c) :]))
