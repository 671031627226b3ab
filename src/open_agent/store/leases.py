"""Who may append to which mission: the port that the engine works with, and its shared SQL.

A lease is the holder's name on the mission's row; the epoch beside it goes up with every claim
and fences whoever held it before. Whether a holder still lives is decided by each database in
its own way: on SQLite all of them end with the process, on PostgreSQL by the database's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, or_, select

from open_agent.core.ids import MissionId, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import RunState
from open_agent.store.rows import Row, from_micros
from open_agent.store.tables import missions


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mission that is now the claimer's, until the epoch is no longer the newest."""

    mission_id: MissionId
    owner_id: UserId
    epoch: int


@dataclass(frozen=True, slots=True)
class Held:
    """A mission that a holder still has, and how far its log has come."""

    mission_id: MissionId
    epoch: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A mission with work left, held or not."""

    mission_id: MissionId
    owner_id: UserId
    run_state: RunState
    wake_at: datetime | None


class Leases(Protocol):
    """Claims on missions. Every method is safe to call concurrently, in several processes."""

    async def claim(self, mission_id: MissionId, holder: str) -> int | None:
        """The new epoch; nothing while a living holder has it.

        Raises:
            NotFound: There is no such mission (`mission.not_found`).
        """
        ...

    async def claim_next(
        self, holder: str, *, per_owner_limit: int, limit: int, host_id: str | None = None
    ) -> Sequence[Claimed]:
        """Claim up to `limit` missions that have something to do.

        Those are the queued, the waiting whose time has come, and the running whose holder is
        gone. No owner gets beyond `per_owner_limit` missions held at once, those that a run
        delegated not counted; who has the fewest comes first, then who waits longest. With `host_id`, only missions of that host.
        """
        ...

    async def heartbeat(self, holder: str) -> Sequence[Held]:
        """Say that the holder lives, and learn what is still its own."""
        ...

    async def release(self, mission_id: MissionId, epoch: int) -> None:
        """Give a mission back; nothing happens if a newer epoch has it."""
        ...

    async def next_wake(self) -> datetime | None:
        """When the first of the waiting missions that nobody holds goes on."""
        ...

    async def unfinished(self) -> Sequence[Unfinished]:
        """Every mission with work left, longest waiting first."""
        ...


def ready_missions(
    is_live: ColumnElement[bool], now: ColumnElement[Any], *conditions: ColumnElement[bool]
) -> Select[Any, Any]:
    """What `claim_next` chooses from, in its order: parameters `per_owner` and `rows`.

    The k-th mission of an owner who has r of them held counts as their (r + k)-th, so that one
    claim of many is as fair as many claims of one. What a run delegated comes first and counts as
    none: its parent waits for it, and has lent it its place.
    """
    is_child = missions.c.kind == MissionKind.CHILD.value
    held = (
        select(missions.c.owner_id, func.count().label("held"))
        .where(missions.c.holder.is_not(None), is_live, ~is_child)
        .group_by(missions.c.owner_id)
        .cte("held")
    )
    turn = func.row_number().over(
        partition_by=(missions.c.owner_id, is_child), order_by=(missions.c.ready_at, missions.c.id)
    )
    load = case((is_child, 0), else_=func.coalesce(held.c.held, 0) + turn).label("load")
    ready = (
        select(missions.c.id, missions.c.owner_id, missions.c.ready_at, load)
        .outerjoin_from(missions, held, held.c.owner_id == missions.c.owner_id)
        .where(is_claimable(is_live, now), *conditions)
        .cte("ready")
    )
    return (
        select(ready.c.id, ready.c.owner_id)
        .where(ready.c.load <= bindparam("per_owner"))
        .order_by(ready.c.load, ready.c.ready_at, ready.c.id)
        .limit(bindparam("rows"))
    )


def is_claimable(is_live: ColumnElement[bool], now: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a mission has something to do and nobody to do it."""
    return and_(
        missions.c.ready_at.is_not(None),
        or_(missions.c.run_state != RunState.WAITING.value, missions.c.wake_at <= now),
        or_(missions.c.holder.is_(None), ~is_live),
    )


def held_missions() -> Select[Any, Any, Any]:
    """What a holder has: parameter `holder`."""
    return select(missions.c.id, missions.c.epoch, missions.c.last_seq).where(
        missions.c.holder == bindparam("holder")
    )


def unfinished_missions() -> Select[Any, Any, Any, Any]:
    """Every mission with work left, longest waiting first."""
    columns = (missions.c.id, missions.c.owner_id, missions.c.run_state, missions.c.wake_at)
    return (
        select(*columns)
        .where(missions.c.ready_at.is_not(None))
        .order_by(missions.c.ready_at, missions.c.id)
    )


def first_wake(is_live: ColumnElement[bool]) -> Select[Any]:
    """When the first waiting mission that nobody holds goes on."""
    return select(func.min(missions.c.wake_at)).where(
        missions.c.run_state == RunState.WAITING.value,
        or_(missions.c.holder.is_(None), ~is_live),
    )


def held_from(row: Row) -> Held:
    """A row of `held_missions`."""
    return Held(row[0], row[1], row[2])


def unfinished_from(row: Row) -> Unfinished:
    """A row of `unfinished_missions`."""
    return Unfinished(row[0], row[1], RunState(row[2]), wake_from(row[3:]))


def wake_from(row: Row) -> datetime | None:
    """A row of `first_wake`."""
    return None if row[0] is None else from_micros(row[0])
