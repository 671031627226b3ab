"""Missions as rows: one, a page of them, what was said in them, and what they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from open_agent.core.ids import MissionId, UserId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import Outcome, RunState
from open_agent.events.search import query_words
from open_agent.store.history import Said, histories, spoken_from
from open_agent.store.ledger import mission_not_found
from open_agent.store.mission_queries import MissionStatements, filter_values
from open_agent.store.paging import (
    EVERY_MISSION,
    MissionFilter,
    MissionOrder,
    MissionPage,
    cursor_of,
    read_cursor,
)
from open_agent.store.ports import Reader
from open_agent.store.rows import Row, mission_entity, mission_from, to_micros
from open_agent.store.search import NEWEST, Found, found_from

UNTITLED = "Untitled Mission"
"""What clients of the original call a mission before it has a title."""


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
        where: MissionFilter = EVERY_MISSION,
        order: MissionOrder = MissionOrder.CREATED,
    ) -> MissionPage:
        """The owner's missions, newest first; `after` is the `next` of the page before.

        Raises:
            Invalid: `after` is not a cursor of this list (`cursor.invalid`).
        """
        ...

    async def current(self, *, owner: UserId) -> Mission | None:
        """The mission that the owner selected last, if it is still there."""
        ...

    async def children(self, parent: MissionId, *, owner: UserId) -> list[Mission]:
        """What a mission delegated itself, in the order of their creation."""
        ...

    async def empty(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions without a message, a run or a title of their own, still active."""
        ...

    async def stale_for_system(self, before: datetime, *, limit: int = 100) -> list[Mission]:
        """Active missions of whoever, at rest, in which nothing happened since; oldest first."""
        ...

    async def history(
        self, missions: Sequence[MissionId], *, owner: UserId
    ) -> dict[MissionId, list[Said]]:
        """What people and the agent said in some of the owner's missions, in one query.

        Missions in which nothing was said are left out.
        """
        ...

    async def search(
        self, question: str, *, owner: UserId, limit: int = 50, where: MissionFilter = EVERY_MISSION
    ) -> list[Found]:
        """The owner's missions with a text that has all the words, or words that begin so.

        The mission whose text is newest comes first. Nothing in `question` is syntax, and one
        without a word finds nothing.
        """
        ...

    async def totals(self, *, owner: UserId, kind: MissionKind | None = None) -> list[MissionTotal]:
        """The owner's missions counted by state and outcome."""
        ...


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
        where: MissionFilter = EVERY_MISSION,
        order: MissionOrder = MissionOrder.CREATED,
    ) -> MissionPage:
        """The owner's missions, newest first."""
        at, last_id = read_cursor(after, order)
        values = {"owner": owner, "at": at, "last_id": last_id, "rows": limit + 1}
        items = await self._reader.fetch(
            self._sql.page(where, order), _mission, **values, **filter_values(where)
        )
        is_more = len(items) > limit
        cursor = cursor_of(items[limit - 1], order) if is_more else None
        return MissionPage(tuple(items[:limit]), cursor)

    async def current(self, *, owner: UserId) -> Mission | None:
        """The mission that the owner selected last."""
        found = await self._reader.fetch(self._sql.current, _mission, owner=owner)
        return found[0] if found else None

    async def children(self, parent: MissionId, *, owner: UserId) -> list[Mission]:
        """What a mission delegated itself."""
        return await self._reader.fetch(self._sql.children, _mission, parent=parent, owner=owner)

    async def empty(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions without a message, a run or a title of their own."""
        return await self._reader.fetch(self._sql.empty, _mission, owner=owner, untitled=UNTITLED)

    async def stale_for_system(self, before: datetime, *, limit: int = 100) -> list[Mission]:
        """Active missions of whoever, at rest, in which nothing happened since."""
        return await self._reader.fetch(
            self._sql.stale, _mission, before=to_micros(before), rows=limit
        )

    async def history(
        self, missions: Sequence[MissionId], *, owner: UserId
    ) -> dict[MissionId, list[Said]]:
        """What people and the agent said in some of the owner's missions."""
        if not missions:
            return {}
        ids = {f"mission_{n}": mission_id for n, mission_id in enumerate(missions)}
        sql = self._sql.history(len(ids))
        return histories(await self._reader.fetch(sql, spoken_from, owner=owner, **ids))

    async def search(
        self, question: str, *, owner: UserId, limit: int = 50, where: MissionFilter = EVERY_MISSION
    ) -> list[Found]:
        """The owner's missions with a text that has all the words."""
        wanted = query_words(question)
        if not wanted:
            return []
        values = {"owner": owner, "words": self._sql.question(wanted), "newest": NEWEST}
        texts = await self._reader.fetch(
            self._sql.search(where), found_from, rows=limit, **values, **filter_values(where)
        )
        if not texts:
            return []
        ids = {f"mission_{n}": text.mission_id for n, text in enumerate(texts)}
        rows = await self._reader.fetch(self._sql.some(len(ids)), _mission, owner=owner, **ids)
        by_id = {mission.id: mission for mission in rows}
        # One that was deleted in the meantime is not there.
        found = ((text, by_id.get(text.mission_id)) for text in texts)
        return [text.as_found(mission, wanted) for text, mission in found if mission]

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
