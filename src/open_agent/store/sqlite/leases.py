"""Leases on SQLite: they end with the process, since the lock on `DATA_DIR` proves that it ended.

No clock is asked whether a holder lives: a laptop may sleep for a week in the middle of a run.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, null, select, update

from open_agent.core.clock import Clock
from open_agent.core.ids import MissionId
from open_agent.store.leases import (
    Claimed,
    Held,
    Unfinished,
    first_wake,
    held_from,
    held_missions,
    ready_missions,
    unfinished_from,
    unfinished_missions,
    wake_from,
)
from open_agent.store.ledger import mission_not_found
from open_agent.store.rows import to_micros
from open_agent.store.sqlite.reader import SqliteReader
from open_agent.store.sqlite.writer import SqliteWriter
from open_agent.store.statement import Compile
from open_agent.store.tables import missions


class LeaseStatements:
    """The SQL of leases on SQLite."""

    def __init__(self, compile_: Compile) -> None:
        is_live = missions.c.holder.is_not(None)
        this = missions.c.id == bindparam("key")
        now: ColumnElement[Any] = bindparam("now")
        self.ready = compile_(ready_missions(is_live, now))
        self.ready_on_host = compile_(
            ready_missions(is_live, now, missions.c.host_id == bindparam("host"))
        )
        self.held_by = compile_(select(missions.c.holder).where(this))
        claim = (
            update(missions).where(this).values(epoch=missions.c.epoch + 1, holder=bindparam("by"))
        )
        self.claim = compile_(claim.returning(missions.c.epoch))
        self.release = compile_(
            update(missions).where(this, missions.c.epoch == bindparam("at")).values(holder=null())
        )
        self.held = compile_(held_missions())
        self.unfinished = compile_(unfinished_missions())
        self.first_wake = compile_(first_wake(is_live))


class SqliteLeases:
    """`Leases` of one process."""

    def __init__(
        self, writer: SqliteWriter, reader: SqliteReader, sql: LeaseStatements, clock: Clock
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._sql = sql
        self._clock = clock

    async def claim(self, mission_id: MissionId, holder: str) -> int | None:
        """The new epoch; nothing while anyone has it."""

        def job(connection: sqlite3.Connection) -> int | None:
            found = connection.execute(self._sql.held_by.text, (mission_id,)).fetchone()
            if found is None:
                raise mission_not_found(mission_id)
            return self._take(connection, mission_id, holder) if found[0] is None else None

        return await self._writer.run(job)

    async def claim_next(
        self, holder: str, *, per_owner_limit: int, limit: int, host_id: str | None = None
    ) -> Sequence[Claimed]:
        """Claim up to `limit` missions that have something to do."""
        values = {"now": to_micros(self._clock.now()), "per_owner": per_owner_limit, "rows": limit}
        ready, values = (
            (self._sql.ready, values)
            if host_id is None
            else (self._sql.ready_on_host, values | {"host": host_id})
        )

        def job(connection: sqlite3.Connection) -> list[Claimed]:
            chosen = connection.execute(ready.text, ready.bind(**values)).fetchall()
            return [
                Claimed(id_, owner, self._take(connection, id_, holder)) for id_, owner in chosen
            ]

        return await self._writer.run(job)

    async def heartbeat(self, holder: str) -> Sequence[Held]:
        """Learn what is still the holder's own; that it lives needs no saying here."""
        return await self._reader.fetch(self._sql.held, held_from, holder=holder)

    async def release(self, mission_id: MissionId, epoch: int) -> None:
        """Give a mission back; nothing happens if a newer epoch has it."""
        values = self._sql.release.bind(key=mission_id, at=epoch)
        await self._writer.run(
            lambda connection: connection.execute(self._sql.release.text, values)
        )

    async def next_wake(self) -> datetime | None:
        """When the first of the waiting missions that nobody holds goes on."""
        return (await self._reader.fetch(self._sql.first_wake, wake_from))[0]

    async def unfinished(self) -> Sequence[Unfinished]:
        """Every mission with work left, longest waiting first."""
        return await self._reader.fetch(self._sql.unfinished, unfinished_from)

    def _take(self, connection: sqlite3.Connection, mission_id: MissionId, holder: str) -> int:
        values = self._sql.claim.bind(key=mission_id, by=holder)
        return connection.execute(self._sql.claim.text, values).fetchone()[0]
