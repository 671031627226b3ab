"""Looking after a database: whether its rows still follow from its log, and what takes the room.

For `open-agent doctor` and for tests; nothing here is asked while work is done.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import bindparam, func, select, tuple_

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.model.mission import MissionDeleted, MissionSelected
from open_agent.events.projection import MissionRow, project_mission
from open_agent.events.queue import QueueRow, apply_change, project_queue
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow, project_runs
from open_agent.events.search import TextRow, project_text
from open_agent.store.ports import Reader
from open_agent.store.rows import (
    OwnerRow,
    Row,
    StoredEvent,
    event_from,
    mission_from,
    queue_from,
    run_from,
    text_from,
)
from open_agent.store.statement import Compile
from open_agent.store.tables import events, owners, projected_mission, queue, runs, texts

PAGE = 2000


@dataclass(slots=True)
class Projections:
    """Everything that follows from the log."""

    missions: dict[MissionId, MissionRow] = field(default_factory=dict[MissionId, MissionRow])
    runs: dict[RunId, RunRow] = field(default_factory=dict[RunId, RunRow])
    owners: dict[UserId, OwnerRow] = field(default_factory=dict[UserId, OwnerRow])
    queues: dict[MissionId, list[QueueRow]] = field(default_factory=dict[MissionId, list[QueueRow]])
    """By mission, in order; those without a message are left out."""

    texts: dict[tuple[MissionId, str], TextRow] = field(
        default_factory=dict[tuple[MissionId, str], TextRow]
    )
    """What can be found, by mission and name."""

    def apply(self, event: StoredEvent) -> None:
        """Take in the next event of its owner."""
        record = event.record()
        current = self.owners.get(event.owner_id, OwnerRow()).current_mission
        if isinstance(record.event, MissionSelected):
            current = event.mission_id
        self.owners[event.owner_id] = OwnerRow(event.owner_seq, current)
        if isinstance(record.event, MissionDeleted):
            # All that is left of a mission; its other events are gone.
            if record.event.was_current:
                self.owners[event.owner_id] = OwnerRow(event.owner_seq)
            return
        before = self.missions.get(event.mission_id)
        mission = project_mission(before, record)
        self.missions[event.mission_id] = mission
        for run in project_runs(self.runs.get, mission, record):
            self.runs[run.run_id] = run
        self._change_queue(before or mission, record)
        text = project_text(mission.owner_id, record)
        if text is not None:
            self.texts.pop((text.mission_id, text.name), None)
        if isinstance(text, TextRow):
            self.texts[text.mission_id, text.name] = text

    def _change_queue(self, before: MissionRow, record: Record) -> None:
        rows = self.queues.pop(record.mission_id, [])
        change = project_queue(before, record, lambda: rows)
        rows = rows if change is None else apply_change(rows, change)
        if rows:
            self.queues[record.mission_id] = rows


@dataclass(frozen=True, slots=True)
class Size:
    """What the events of one type in one mission take."""

    owner_id: UserId
    mission_id: MissionId
    type: str
    events: int
    bytes: int


class Upkeep(Protocol):
    """Looks at a database as a whole."""

    async def rebuilt(self) -> Projections:
        """The rows as they follow from the log, event by event. Reads everything."""
        ...

    async def stored(self) -> Projections:
        """The rows as they are; unless something is broken, the same."""
        ...

    async def sizes(self) -> list[Size]:
        """What every mission's events take, by their type, largest first."""
        ...


class UpkeepStatements:
    """The SQL of looking at everything."""

    def __init__(self, compile_: Compile) -> None:
        place = tuple_(events.c.owner_id, events.c.owner_seq)
        self.events = compile_(
            select(events)
            .where(place > tuple_(bindparam("owner"), bindparam("after")))
            .order_by(events.c.owner_id, events.c.owner_seq)
            .limit(bindparam("rows"))
        )
        self.missions = compile_(select(*projected_mission()))
        self.runs = compile_(select(runs))
        self.owners = compile_(select(owners).where(owners.c.last_seq > 0))
        self.texts = compile_(select(*tuple(texts.c)[1:]))
        self.queues = compile_(select(queue).order_by(queue.c.mission_id, queue.c.position))
        size = func.sum(func.length(events.c.body)).label("size")
        what = (events.c.owner_id, events.c.mission_id, events.c.type)
        self.sizes = compile_(
            select(*what, func.count(), size).group_by(*what).order_by(size.desc(), *what)
        )


class StoredUpkeep:
    """`Upkeep` of a database."""

    def __init__(self, reader: Reader, sql: UpkeepStatements) -> None:
        self._reader = reader
        self._sql = sql

    async def rebuilt(self) -> Projections:
        """The rows as they follow from the log, event by event. Reads everything."""
        projections, owner, after = Projections(), "", 0
        while True:
            page = await self._reader.fetch(
                self._sql.events, event_from, owner=owner, after=after, rows=PAGE
            )
            for event in page:
                projections.apply(event)
            if len(page) < PAGE:
                return projections
            owner, after = page[-1].owner_id, page[-1].owner_seq

    async def stored(self) -> Projections:
        """The rows as they are; unless something is broken, the same."""
        all_missions = await self._reader.fetch(self._sql.missions, mission_from)
        all_runs = await self._reader.fetch(self._sql.runs, run_from)
        all_owners = await self._reader.fetch(self._sql.owners, tuple)
        all_texts = await self._reader.fetch(self._sql.texts, text_from)
        queues: dict[MissionId, list[QueueRow]] = {}
        for row in await self._reader.fetch(self._sql.queues, queue_from):
            queues.setdefault(row.mission_id, []).append(row)
        return Projections(
            {row.id: row for row in all_missions},
            {row.run_id: row for row in all_runs},
            {owner: OwnerRow(*row) for owner, *row in all_owners},
            queues,
            {(row.mission_id, row.name): row for row in all_texts},
        )

    async def sizes(self) -> list[Size]:
        """What every mission's events take, by their type, largest first."""
        return await self._reader.fetch(self._sql.sizes, _size)


def _size(row: Row) -> Size:
    return Size(row[0], row[1], row[2], row[3], int(row[4]))
