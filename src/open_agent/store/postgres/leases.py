"""Leases on PostgreSQL: they last as long as their holder's heart beats, by the database's clock.

A holder is one row, so that a heartbeat costs the same however much it holds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from open_agent.core.ids import MissionId
from open_agent.store.leases import (
    Claimed,
    Held,
    Unfinished,
    first_wake,
    held_from,
    held_missions,
    is_claimable,
    ready_missions,
    unfinished_from,
    unfinished_missions,
    wake_from,
)
from open_agent.store.ledger import mission_not_found
from open_agent.store.postgres.pool import Connection, Pool
from open_agent.store.postgres.reader import PostgresReader, unavailable
from open_agent.store.statement import Compile, Statement
from open_agent.store.tables import holders, missions

LEASE_SECONDS = 10.0
"""How long a holder may be silent; it should be heard every second."""
CLAIM_LOCK = 0x0A6E_0001
"""Claims by limit take turns, or two would count the same missions and both go up to it."""


class PostgresLeases:
    """`Leases` of any number of processes."""

    def __init__(
        self,
        pool: Pool,
        reader: PostgresReader,
        compile_: Compile,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._lease = int(lease_seconds * 1_000_000)
        self._compile = compile_
        now = _now()
        is_live = exists().where(holders.c.holder == missions.c.holder, holders.c.lease_until > now)
        self._ready = compile_(ready_missions(is_live, now))
        self._ready_on_host = compile_(
            ready_missions(is_live, now, missions.c.host_id == bindparam("host"))
        )
        self._build_claims(is_live, now)
        self._held = compile_(held_missions())
        self._unfinished = compile_(unfinished_missions())
        self._first_wake = compile_(first_wake(is_live))

    def _build_claims(self, is_live: ColumnElement[bool], now: ColumnElement[Any]) -> None:
        this = missions.c.id == bindparam("key")
        beat = insert(holders).values(
            holder=bindparam("holder"), lease_until=now + bindparam("lease")
        )
        self._beat = self._compile(
            beat.on_conflict_do_update(
                index_elements=["holder"], set_={"lease_until": beat.excluded.lease_until}
            )
        )
        self._forget_holders = self._compile(
            delete(holders).where(holders.c.lease_until < now - bindparam("lease"))
        )
        self._lock_claims = self._compile(
            select(func.pg_advisory_xact_lock(bindparam("lock", type_=BigInteger)))
        )
        taken: dict[str, Any] = {"epoch": missions.c.epoch + 1, "holder": bindparam("by")}
        self._claim_one = self._compile(
            update(missions)
            .where(this, or_(missions.c.holder.is_(None), ~is_live))
            .values(taken)
            .returning(missions.c.epoch)
        )
        # Locked before it is claimed: a claim that had to wait judges the new holder by what the
        # database says after the wait, not by the snapshot from before it.
        self._lock_one = self._compile(select(missions.c.id).where(this).with_for_update())
        chosen: BindParameter[Any] = bindparam("ids", type_=ARRAY(Text))
        # Rows that an append has locked are left for the next claim: claims never wait for
        # missions, so that they cannot be part of a deadlock.
        self._lock_many = self._compile(
            select(missions.c.id)
            .where(missions.c.id == any_(chosen))
            .order_by(missions.c.id)
            .with_for_update(skip_locked=True)
        )
        self._claim_many = self._compile(
            update(missions)
            .where(missions.c.id == any_(chosen), is_claimable(is_live, now))
            .values(taken)
            .returning(missions.c.id, missions.c.owner_id, missions.c.epoch)
        )
        self._release = self._compile(
            update(missions).where(this, missions.c.epoch == bindparam("at")).values(holder=null())
        )

    async def claim(self, mission_id: MissionId, holder: str) -> int | None:
        """The new epoch; nothing while a living holder has it."""
        try:
            async with self._pool.connection() as connection:
                await self._say_alive(connection, holder)
                async with connection.transaction():
                    if not await _run(connection, self._lock_one, key=mission_id):
                        raise mission_not_found(mission_id)
                    rows = await _run(connection, self._claim_one, key=mission_id, by=holder)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error
        return rows[0][0] if rows else None

    async def claim_next(
        self, holder: str, *, per_owner_limit: int, limit: int, host_id: str | None = None
    ) -> Sequence[Claimed]:
        """Claim up to `limit` missions that have something to do."""
        values: dict[str, Any] = {"per_owner": per_owner_limit, "rows": limit}
        statement = self._ready
        if host_id is not None:
            statement, values = self._ready_on_host, values | {"host": host_id}
        try:
            async with self._pool.connection() as connection, connection.transaction():
                await _run(connection, self._lock_claims, lock=CLAIM_LOCK)
                await self._say_alive(connection, holder)
                await connection.execute(
                    self._forget_holders.text.encode(), self._forget_holders.bind(lease=self._lease)
                )
                chosen = [row[0] for row in await _run(connection, statement, **values)]
                if not chosen:
                    return []
                locked = [row[0] for row in await _run(connection, self._lock_many, ids=chosen)]
                rows = await _run(connection, self._claim_many, ids=locked, by=holder)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error
        rows.sort(key=lambda row: chosen.index(row[0]))
        return [Claimed(*row) for row in rows]

    async def heartbeat(self, holder: str) -> Sequence[Held]:
        """Say that the holder lives, and learn what is still its own."""
        try:
            async with self._pool.connection() as connection:
                await self._say_alive(connection, holder)
                return [held_from(row) for row in await _run(connection, self._held, holder=holder)]
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error

    async def release(self, mission_id: MissionId, epoch: int) -> None:
        """Give a mission back; nothing happens if a newer epoch has it."""
        try:
            async with self._pool.connection() as connection:
                values = self._release.bind(key=mission_id, at=epoch)
                await connection.execute(self._release.text.encode(), values)
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise unavailable(error) from error

    async def next_wake(self) -> datetime | None:
        """When the first of the waiting missions that nobody holds goes on."""
        return (await self._reader.fetch(self._first_wake, wake_from))[0]

    async def unfinished(self) -> Sequence[Unfinished]:
        """Every mission with work left, longest waiting first."""
        return await self._reader.fetch(self._unfinished, unfinished_from)

    async def _say_alive(self, connection: Connection, holder: str) -> None:
        values = self._beat.bind(holder=holder, lease=self._lease)
        await connection.execute(self._beat.text.encode(), values)


async def _run(
    connection: Connection, statement: Statement, **values: Any
) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(statement.text.encode(), statement.bind(**values))
    return await cursor.fetchall()


def _now() -> ColumnElement[Any]:
    """The database's clock, as the tables have times."""
    return cast(func.date_part("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
