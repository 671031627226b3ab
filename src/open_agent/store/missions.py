"""Missions as rows: one, a page of them, and what they add up to."""

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import and_, bindparam, func, or_, select

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId, UserId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import Outcome, RunState
from open_agent.store.ledger import mission_not_found
from open_agent.store.ports import Reader
from open_agent.store.rows import Row, mission_entity, mission_from, to_micros
from open_agent.store.statement import Compile
from open_agent.store.tables import missions, projected_mission

_BEYOND = 2**62


@dataclass(frozen=True, slots=True)
class MissionPage:
    """Some missions, newest first, and where the next page begins; absent on the last."""

    items: tuple[Mission, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class MissionTotal:
    """How many missions are in the same state, and what they spent."""

    run_state: RunState
    outcome: Outcome | None
    count: int
    spent_microdollars: int


class Missions(Protocol):
    """The rows that the log's projections keep, for those who only read them."""

    async def get(self, mission_id: MissionId, *, owner: UserId) -> Mission:
        """One of the owner's missions.

        Raises:
            NotFound: It does not exist or is not theirs (`mission.not_found`).
        """
        ...

    async def get_for_system(self, mission_id: MissionId) -> Mission:
        """A mission, whoever owns it: for workers, never for a request.

        Raises:
            NotFound: It does not exist (`mission.not_found`).
        """
        ...

    async def page(
        self,
        *,
        owner: UserId,
        after: str | None = None,
        limit: int = 100,
        kind: MissionKind | None = None,
    ) -> MissionPage:
        """The owner's missions, newest first; `after` is the `next` of the page before.

        Raises:
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        ...

    async def totals(self, *, owner: UserId, kind: MissionKind | None = None) -> list[MissionTotal]:
        """The owner's missions counted by state and outcome."""
        ...


class MissionStatements:
    """The SQL of reading missions."""

    def __init__(self, compile_: Compile) -> None:
        columns = projected_mission()
        mine = missions.c.owner_id == bindparam("owner")
        self.get = compile_(select(*columns).where(mine, missions.c.id == bindparam("key")))
        self.get_for_system = compile_(select(*columns).where(missions.c.id == bindparam("key")))
        is_older = or_(
            missions.c.created_at < bindparam("at"),
            and_(missions.c.created_at == bindparam("at"), missions.c.id < bindparam("last_id")),
        )
        page = (
            select(*columns)
            .where(mine, is_older)
            .order_by(missions.c.created_at.desc(), missions.c.id.desc())
            .limit(bindparam("rows"))
        )
        of_kind = missions.c.kind == bindparam("kind")
        self.page = compile_(page)
        self.page_of_kind = compile_(page.where(of_kind))
        totals = (
            select(
                missions.c.run_state,
                missions.c.outcome,
                func.count(),
                func.coalesce(func.sum(missions.c.spent), 0),
            )
            .where(mine)
            .group_by(missions.c.run_state, missions.c.outcome)
        )
        self.totals = compile_(totals)
        self.totals_of_kind = compile_(totals.where(of_kind))


class MissionStore:
    """`Missions` on a database."""

    def __init__(self, reader: Reader, sql: MissionStatements) -> None:
        self._reader = reader
        self._sql = sql

    async def get(self, mission_id: MissionId, *, owner: UserId) -> Mission:
        """One of the owner's missions."""
        found = await self._reader.fetch(self._sql.get, _mission, key=mission_id, owner=owner)
        if not found:
            raise mission_not_found(mission_id)
        return found[0]

    async def get_for_system(self, mission_id: MissionId) -> Mission:
        """A mission, whoever owns it."""
        found = await self._reader.fetch(self._sql.get_for_system, _mission, key=mission_id)
        if not found:
            raise mission_not_found(mission_id)
        return found[0]

    async def page(
        self,
        *,
        owner: UserId,
        after: str | None = None,
        limit: int = 100,
        kind: MissionKind | None = None,
    ) -> MissionPage:
        """The owner's missions, newest first."""
        at, last_id = read_cursor(after)
        values = {"owner": owner, "at": at, "last_id": last_id, "rows": limit + 1}
        if kind is None:
            items = await self._reader.fetch(self._sql.page, _mission, **values)
        else:
            items = await self._reader.fetch(
                self._sql.page_of_kind, _mission, kind=kind.value, **values
            )
        is_more = len(items) > limit
        return MissionPage(tuple(items[:limit]), cursor_of(items[limit - 1]) if is_more else None)

    async def totals(self, *, owner: UserId, kind: MissionKind | None = None) -> list[MissionTotal]:
        """The owner's missions counted by state and outcome."""
        if kind is None:
            return await self._reader.fetch(self._sql.totals, _total, owner=owner)
        return await self._reader.fetch(
            self._sql.totals_of_kind, _total, owner=owner, kind=kind.value
        )


def _mission(row: Row) -> Mission:
    return mission_entity(mission_from(row))


def _total(row: Row) -> MissionTotal:
    return MissionTotal(RunState(row[0]), Outcome(row[1]) if row[1] else None, row[2], int(row[3]))


def cursor_of(mission: Mission) -> str:
    """What a page that ends with `mission` gives as `next`."""
    return f"{to_micros(mission.created_at)}.{mission.id}"


def read_cursor(text: str | None) -> tuple[int, str]:
    """The creation time and id that a page must stay below.

    Raises:
        Invalid: It is not a cursor of ours (`cursor.invalid`).
    """
    if text is None:
        return _BEYOND, ""
    at, dot, mission_id = text.partition(".")
    if not (dot and at.isascii() and at.isdigit() and len(at) < 19):
        raise Invalid("cursor.invalid", "This cursor is not one of ours; begin without one.")
    return int(at), mission_id
