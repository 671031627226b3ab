"""The SQL of the append path on PostgreSQL: each statement does a whole batch.

Rows to write travel as one JSON parameter. Building it is one call into C, where arrays of twenty
columns would be converted value by value in Python.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import pydantic_core
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Table,
    TableValuedAlias,
    Text,
    any_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ClauseElement

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


class BatchStatements:
    """SQL as the driver wants it: bytes, with positional parameters."""

    def __init__(self, compile_: Compile) -> None:
        self._compile = compile_
        ids = _texts("ids")
        nothing: ColumnElement[int] = literal_column("0")
        self.add_owners = self._text(
            insert(owners)
            .from_select(["owner_id", "last_seq"], select(func.unnest(ids), nothing))
            .on_conflict_do_nothing()
        )
        self._build_locks(ids)
        self._build_lookups(ids)
        self._build_writes()
        self._build_queue()
        self._build_texts()
        self._build_deletes()

    def _build_locks(self, ids: ColumnElement[Any]) -> None:
        self.lock_missions = self._text(
            select(*projected_mission(), missions.c.epoch)
            .where(missions.c.id == any_(ids))
            .order_by(missions.c.id)
            .with_for_update()
        )
        roots = select(runs.c.root_run_id).where(runs.c.run_id == any_(ids))
        self.lock_runs = self._text(
            select(runs)
            .where(or_(runs.c.run_id == any_(ids), runs.c.run_id.in_(roots)))
            .order_by(runs.c.run_id)
            .with_for_update()
        )
        theirs = select(missions.c.owner_id).where(missions.c.id == any_(ids))
        self.lock_owners = self._text(
            select(owners)
            .where(or_(owners.c.owner_id == any_(_texts("owners")), owners.c.owner_id.in_(theirs)))
            .order_by(owners.c.owner_id)
            .with_for_update()
        )

    def _build_lookups(self, ids: ColumnElement[Any]) -> None:
        names = _pairs("owners", "keys", Text())
        self.openings = self._text(
            select(
                *projected_mission(),
                missions.c.epoch,
                missions.c.idempotency_key,
                missions.c.digest,
            ).where(missions.c.owner_id == names.c.a, missions.c.idempotency_key == names.c.b)
        )
        keys = _pairs("ids", "keys", Text())
        self.keyed = self._text(
            select(events).where(events.c.mission_id == keys.c.a, events.c.key == keys.c.b)
        )
        new = func.unnest(ids).table_valued("a").render_derived()
        any_event = exists().where(events.c.mission_id == new.c.a)
        self.left_over = self._text(select(new.c.a).where(any_event))
        known = _pairs("ids", "known", BigInteger())
        self.newer = self._text(
            select(events)
            .where(events.c.mission_id == known.c.a, events.c.seq > known.c.b)
            .order_by(events.c.mission_id, events.c.seq)
        )
        self.first = self._text(
            select(events)
            .where(events.c.mission_id == any_(ids), events.c.seq <= bindparam("upto"))
            .order_by(events.c.mission_id, events.c.seq)
        )

    def _build_writes(self) -> None:
        opened = (*projected_mission(), missions.c.idempotency_key, missions.c.digest)
        self.insert_events = self._text(_insert(events, events.c))
        self.insert_missions = self._text(_insert(missions, opened))
        row = _rows(projected_mission())
        self.update_missions = self._text(
            missions.update()
            .where(missions.c.id == row.c.id)
            .values({c.name: row.c[c.name] for c in projected_mission() if c.name != "id"})
        )
        self.upsert_runs = self._upsert(runs, "run_id")
        self.upsert_owners = self._upsert(owners, "owner_id")

    def _build_queue(self) -> None:
        ids = _texts("ids")
        self.queues = self._text(
            select(queue)
            .where(queue.c.mission_id == any_(ids))
            .order_by(queue.c.mission_id, queue.c.position)
        )
        self.put_messages = self._upsert(queue, "mission_id", "message_id")
        mission = queue.c.mission_id == bindparam("mission")
        self.take_messages = self._text(
            delete(queue).where(mission, queue.c.message_id == any_(_texts("messages")))
        )
        steering: ColumnElement[str] = literal_column("'steer'")
        self.take_steering = self._text(delete(queue).where(mission, queue.c.delivery == steering))

    def _build_texts(self) -> None:
        columns = tuple(texts.c)[1:]
        statement: Any = _insert(texts, columns)
        others = {name: statement.excluded[name] for name in ("seq", "words")}
        self.put_texts = self._text(
            statement.on_conflict_do_update(index_elements=["mission_id", "name"], set_=others)
        )
        gone = _pairs("ids", "names", Text())
        self.drop_texts = self._text(
            delete(texts).where(texts.c.mission_id == gone.c.a, texts.c.name == gone.c.b)
        )

    def _build_deletes(self) -> None:
        key: BindParameter[str] = bindparam("key", type_=Text())
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

    def _upsert(self, table: Table, *key: str) -> bytes:
        statement: Any = _insert(table, table.c)
        others = {c.name: statement.excluded[c.name] for c in table.c if c.name not in key}
        return self._text(statement.on_conflict_do_update(index_elements=key, set_=others))

    def _text(self, statement: ClauseElement) -> bytes:
        return self._compile(statement).text.encode()


def _names(columns: Iterable[Column[Any]]) -> tuple[str, ...]:
    # Plain strings: SQLAlchemy's own kind takes pydantic_core fifty times as long to write.
    return tuple("".join(column.name) for column in columns)


EVENT_NAMES = _names(events.c)
MISSION_NAMES = _names(projected_mission())
OPENED_NAMES = (*MISSION_NAMES, "idempotency_key", "digest")
RUN_NAMES = _names(runs.c)
OWNER_NAMES = _names(owners.c)
QUEUE_NAMES = _names(queue.c)
TEXT_NAMES = _names(tuple(texts.c)[1:])


def as_rows(names: Sequence[str], values: Iterable[Sequence[Any]]) -> tuple[str]:
    """The one parameter of a statement that writes many rows."""
    rows = [dict(zip(names, row, strict=True)) for row in values]
    return (pydantic_core.to_json(rows).decode(),)


def _rows(columns: Iterable[Column[Any]]) -> TableValuedAlias:
    parameter: BindParameter[Any] = bindparam("rows")
    fields = [Column[Any](column.name, column.type) for column in columns]
    records = func.json_to_recordset(cast(parameter, JSON)).table_valued(*fields)
    return records.render_derived(with_types=True)


def _insert(table: Table, columns: Iterable[Column[Any]]) -> Any:
    columns = tuple(columns)
    names = [column.name for column in columns]
    return insert(table).from_select(names, select(*_rows(columns).c))


def _pairs(a: str, b: str, type_: Text | BigInteger) -> TableValuedAlias:
    second: BindParameter[Any] = bindparam(b, type_=ARRAY(type_))
    return func.unnest(_texts(a), second).table_valued("a", "b").render_derived()


def _texts(name: str) -> BindParameter[Any]:
    return bindparam(name, type_=ARRAY(Text))
