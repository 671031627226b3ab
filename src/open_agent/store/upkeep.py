"""Looking after a database: whether its rows still follow from its log, and what takes the room.

For `open-agent doctor` and for tests; nothing here is asked while work is done.
"""

from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import bindparam, func, select, tuple_

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.projection import MissionRow, RunRow, project_mission, project_runs
from open_agent.store.ports import Reader
from open_agent.store.rows import Row, StoredEvent, event_from, mission_from, run_from
from open_agent.store.statement import Compile
from open_agent.store.tables import events, owners, projected_mission, runs

PAGE = 2000


@dataclass(slots=True)
class Projections:
    """Everything that follows from the log."""

    missions: dict[MissionId, MissionRow] = field(default_factory=dict[MissionId, MissionRow])
    runs: dict[RunId, RunRow] = field(default_factory=dict[RunId, RunRow])
    owners: dict[UserId, int] = field(default_factory=dict[UserId, int])

    def apply(self, event: StoredEvent) -> None:
        """Take in the next event of its owner."""
        record = event.record()
        mission = project_mission(self.missions.get(event.mission_id), record)
        self.missions[event.mission_id] = mission
        for run in project_runs(self.runs.get, event.owner_id, record):
            self.runs[run.run_id] = run
        self.owners[event.owner_id] = event.owner_seq


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
        return Projections(
            {row.id: row for row in all_missions},
            {row.run_id: row for row in all_runs},
            dict(all_owners),
        )

    async def sizes(self) -> list[Size]:
        """What every mission's events take, by their type, largest first."""
        return await self._reader.fetch(self._sql.sizes, _size)


def _size(row: Row) -> Size:
    return Size(row[0], row[1], row[2], row[3], int(row[4]))
