"""What one transaction of the writer reads and writes.

The statements are built once; each is one step of the raw driver.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Table, bindparam, delete, exists, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql import ClauseElement

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.projection import MissionRow
from open_agent.events.queue import QueueChange, QueueRow, SteeringTaken, Taken
from open_agent.events.run_projection import RunRow
from open_agent.events.search import TextRow
from open_agent.store.ledger import HeldMission, Ledger, Opening
from open_agent.store.rows import (
    OwnerRow,
    Row,
    StoredEvent,
    event_from,
    event_values,
    mission_from,
    mission_values,
    owner_values,
    queue_from,
    queue_values,
    ready_values,
    run_from,
    run_values,
    text_values,
)
from open_agent.store.statement import Compile
from open_agent.store.tables import (
    events,
    missions,
    owners,
    projected_mission,
    queue,
    runs,
    texts,
)

_SELDOM_CHANGED = frozenset(
    (
        *("id", "owner_id", "kind", "workspace", "host_id", "created_at", "parent_id"),
        *("wanted_model", "workspace_id", "copies_until", "ready_at"),
    )
)

MAX_CACHED = 1000
"""Missions, runs or owners; beyond it all are read again as they are needed."""

T = TypeVar("T")


class WriteStatements:
    """The SQL of the append path."""

    def __init__(self, compile_: Compile) -> None:
        self._compile = compile_
        projected = projected_mission()
        key: ColumnElement[Any] = bindparam("key")
        mission = events.c.mission_id == bindparam("mission")
        self.mission = self._text(select(*projected, missions.c.epoch).where(missions.c.id == key))
        self.run = self._text(select(runs).where(runs.c.run_id == key))
        self.owner = self._text(
            select(owners.c.last_seq, owners.c.current_mission).where(owners.c.owner_id == key)
        )
        self.opening = self._text(
            select(missions.c.id, missions.c.digest).where(
                missions.c.owner_id == bindparam("owner"), missions.c.idempotency_key == key
            )
        )
        self.left_over = self._text(select(exists().where(mission)))
        self.keyed = self._text(select(events).where(mission, events.c.key == key))
        self.between = self._text(
            select(events)
            .where(mission, events.c.seq > bindparam("after"), events.c.seq <= bindparam("upto"))
            .order_by(events.c.seq)
        )
        self.insert_event = self._text(insert(events).values(_parameters(events.c)))
        asked_with = (missions.c.idempotency_key, missions.c.digest)
        self.insert_mission = self._text(
            insert(missions).values(_parameters((*projected, *asked_with)))
        )
        # An index is written whenever a statement names one of its columns, changed or not, and
        # every column costs: those that never change are left out, and `ready_at`, which seldom
        # does, has its own.
        often = [column for column in projected if column.name not in _SELDOM_CHANGED]
        update = missions.update().where(missions.c.id == key)
        self.update_mission = self._text(update.values(_parameters(often)))
        self.pick_updated = itemgetter(*map(projected.index, often), 0)
        self.reschedule = self._text(update.values(_parameters([missions.c.ready_at])))
        self.upsert_run = self._upsert(runs, "run_id", fixed=("mission_id",))
        self.upsert_owner = self._upsert(owners, "owner_id")
        self._build_queue()
        self._build_texts()
        self._build_deletes(key)

    def _build_queue(self) -> None:
        this = queue.c.mission_id == bindparam("mission")
        self.queue = self._text(select(queue).where(this).order_by(queue.c.position))
        self.put_message = self._text(
            insert(queue).values(_parameters(queue.c)).prefix_with("OR REPLACE")
        )
        self.take_message = self._text(
            delete(queue).where(this, queue.c.message_id == bindparam("message"))
        )
        self.take_steering = self._text(delete(queue).where(this, queue.c.delivery == "steer"))

    def _build_texts(self) -> None:
        this = (
            texts.c.mission_id == bindparam("mission"),
            texts.c.name == bindparam("text_name"),
        )
        self.drop_text = self._text(delete(texts).where(*this))
        self.add_text = self._text(insert(texts).values(_parameters(tuple(texts.c)[1:])))

    def _build_deletes(self, key: ColumnElement[Any]) -> None:
        self.delete_events = self._text(
            delete(events).where(events.c.mission_id == key, events.c.seq < bindparam("upto"))
        )
        self.deletes = [
            self._text(delete(table).where(column == key))
            for table, column in (
                (runs, runs.c.mission_id),
                (queue, queue.c.mission_id),
                (texts, texts.c.mission_id),
                (missions, missions.c.id),
            )
        ]

    def _upsert(self, table: Table, key: str, *, fixed: Sequence[str] = ()) -> str:
        statement = insert(table).values(_parameters(table.c))
        others: dict[str, Any] = {
            c.name: statement.excluded[c.name] for c in table.c if c.name not in (key, *fixed)
        }
        return self._text(statement.on_conflict_do_update(index_elements=[key], set_=others))

    def _text(self, statement: ClauseElement) -> str:
        return self._compile(statement).text


def _parameters(columns: Iterable[Column[Any]]) -> dict[str, Any]:
    return {column.name: bindparam(column.name) for column in columns}


class Cache:
    """Rows as the last commit left them.

    Nobody else writes to the database, so they are what a statement would find; reading them
    again would be a third of the cost of an append. Whatever may have changed them otherwise, a
    claim or a failed commit, clears the cache.
    """

    def __init__(self) -> None:
        self.missions: dict[MissionId, HeldMission] = {}
        self.runs: dict[RunId, RunRow] = {}
        self.owners: dict[UserId, OwnerRow] = {}

    def clear(self) -> None:
        """Forget everything."""
        self.missions.clear()
        self.runs.clear()
        self.owners.clear()

    def keep(self, ledger: Ledger) -> None:
        """Take in what a ledger changed, once it is committed."""
        if max(len(self.missions), len(self.runs), len(self.owners)) > MAX_CACHED:
            self.clear()
        self.missions |= ledger.missions
        self.runs |= ledger.runs
        self.owners |= ledger.owners
        for mission_id in ledger.deleted:
            self.missions.pop(mission_id, None)
            for run_id in [
                run.run_id for run in self.runs.values() if run.mission_id == mission_id
            ]:
                del self.runs[run_id]


class Transaction:
    """An open transaction: the rows as it finds them, and what a ledger made of them."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        statements: WriteStatements,
        cache: Cache,
        now: datetime,
    ) -> None:
        self.connection = connection
        self._sql = statements
        self._cache = cache
        self._now = now
        self.ledger = Ledger(self, now)
        self.written: list[StoredEvent] = []

    def flush(self) -> None:
        """Write what the ledger changed."""
        ledger, sql, many = self.ledger, self._sql, self.connection.executemany
        if not ledger.new:
            return
        many(sql.insert_event, map(event_values, ledger.new))
        for mission_id, request in ledger.opened.items():
            row = mission_values(ledger.missions[mission_id].row)
            self.connection.execute(sql.insert_mission, (*row, request.key, request.digest))
        changed = [ledger.missions[id_].row for id_ in self._changed()]
        many(sql.update_mission, map(sql.pick_updated, map(mission_values, changed)))
        many(sql.reschedule, map(ready_values, filter(self._is_rescheduled, changed)))
        many(sql.upsert_run, map(run_values, ledger.runs.values()))
        many(sql.upsert_owner, [owner_values(*owner) for owner in ledger.owners.items()])
        for change in ledger.queue:
            self._change_queue(change)
        for change in ledger.texts:
            self.connection.execute(sql.drop_text, (change.mission_id, change.name))
            if isinstance(change, TextRow):
                self.connection.execute(sql.add_text, text_values(change))
        for mission_id, upto in ledger.deleted.items():
            self.connection.execute(sql.delete_events, (mission_id, upto))
            for statement in sql.deletes:
                self.connection.execute(statement, (mission_id,))
        self.written += ledger.new

    def run(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Let a function see and change everything written so far."""
        self.flush()
        self._cache.clear()
        self.ledger = Ledger(self, self._now)
        return job(self.connection)

    def committed(self) -> None:
        """Remember the rows for the next transaction."""
        self._cache.keep(self.ledger)

    def mission(self, mission_id: MissionId) -> HeldMission | None:
        """A mission, or nothing."""
        if held := self._cache.missions.get(mission_id):
            return HeldMission(held.row, held.epoch)
        row = self._one(self._sql.mission, mission_id)
        return None if row is None else HeldMission(mission_from(row), row[-1])

    def is_deleted(self, mission_id: MissionId) -> bool:
        """There was such a mission."""
        return self._one(self._sql.left_over, mission_id) == (1,)

    def find_run(self, run_id: RunId) -> RunRow | None:
        """A run, or nothing."""
        if run := self._cache.runs.get(run_id):
            return run
        row = self._one(self._sql.run, run_id)
        return None if row is None else run_from(row)

    def owner(self, owner: UserId) -> OwnerRow:
        """An owner, known or new."""
        if known := self._cache.owners.get(owner):
            return known
        row = self._one(self._sql.owner, owner)
        return OwnerRow() if row is None else OwnerRow(*row)

    def queue(self, mission_id: MissionId) -> list[QueueRow]:
        """A mission's queue in its order."""
        rows = self.connection.execute(self._sql.queue, (mission_id,)).fetchall()
        return [queue_from(row) for row in rows]

    def opening(self, owner: UserId, key: str) -> Opening | None:
        """What the owner's idempotency key was used for."""
        row = self._one(self._sql.opening, owner, key)
        return None if row is None else Opening(*row)

    def keyed(self, mission_id: MissionId, key: str) -> StoredEvent | None:
        """The event that was appended with the key."""
        row = self._one(self._sql.keyed, mission_id, key)
        return None if row is None else event_from(row)

    def between(self, mission_id: MissionId, after: int, upto: int) -> list[StoredEvent]:
        """Events with `after < seq <= upto`."""
        rows = self.connection.execute(self._sql.between, (mission_id, after, upto)).fetchall()
        return [event_from(row) for row in rows]

    def _change_queue(self, change: QueueChange) -> None:
        execute, sql = self.connection.execute, self._sql
        match change:
            case QueueRow():
                execute(sql.put_message, queue_values(change))
            case Taken(mission_id, message_ids):
                for message_id in message_ids:
                    execute(sql.take_message, (mission_id, message_id))
            case SteeringTaken(mission_id):
                execute(sql.take_steering, (mission_id, "steer"))

    def _one(self, statement: str, *values: object) -> Row | None:
        return self.connection.execute(statement, values).fetchone()

    def _changed(self) -> set[MissionId]:
        return self.ledger.changed - self.ledger.opened.keys()

    def _is_rescheduled(self, row: MissionRow) -> bool:
        before = self._cache.missions.get(row.id)
        return before is None or before.row.ready_at != row.ready_at
