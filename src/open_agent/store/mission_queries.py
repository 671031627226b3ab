"""The SQL of reading missions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, literal_column, or_, select

from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import RunState
from open_agent.store.paging import MissionFilter, MissionOrder
from open_agent.store.search import WordSearch, find_texts
from open_agent.store.statement import Compile, Statement
from open_agent.store.tables import SAID, events, missions, owners, projected_mission


class MissionStatements:
    """Statements; those whose shape depends on a question are made when it is first asked."""

    def __init__(self, compile_: Compile, words: WordSearch) -> None:
        self._compile = compile_
        self._words = words
        self._made: dict[tuple[object, ...], Statement] = {}
        self._columns = projected_mission()
        self._mine = missions.c.owner_id == bindparam("owner")
        self._build_single()
        self._build_upkeep()
        self._build_totals()

    def _build_single(self) -> None:
        this = missions.c.id == bindparam("key")
        self.get = self._compile(select(*self._columns).where(self._mine, this))
        self.get_for_system = self._compile(select(*self._columns).where(this))
        self.current = self._compile(
            select(*self._columns)
            .join(owners, owners.c.current_mission == missions.c.id)
            .where(owners.c.owner_id == bindparam("owner"), self._mine)
        )
        # A list of its own: SQLite would rather go through all that is the owner's.
        delegated = select(missions.c.id).where(missions.c.parent_id == bindparam("parent"))
        self.children = self._compile(
            select(*self._columns)
            .where(missions.c.id.in_(delegated), self._mine)
            .order_by(missions.c.created_at, missions.c.id)
        )

    def _build_upkeep(self) -> None:
        is_active = missions.c.status == bindparam(
            "active", MissionStatus.ACTIVE.value, unique=False
        )
        is_talk = missions.c.kind == bindparam("talk", MissionKind.MISSION.value, unique=False)
        title = func.trim(func.coalesce(missions.c.title, ""))
        self.empty = self._compile(
            select(*self._columns)
            .where(self._mine, is_active, is_talk)
            .where(missions.c.messages == 0, missions.c.run_id.is_(None))
            .where(or_(title == "", title == bindparam("untitled")))
            .order_by(missions.c.created_at, missions.c.id)
        )
        at_rest = missions.c.run_state.in_(
            [literal_column(f"'{state.value}'") for state in (RunState.IDLE, RunState.FINISHED)]
        )
        self.stale = self._compile(
            select(*self._columns)
            .where(is_active, is_talk, at_rest, missions.c.updated_at < bindparam("before"))
            .order_by(missions.c.updated_at, missions.c.id)
            .limit(bindparam("rows"))
        )

    def _build_totals(self) -> None:
        totals = (
            select(
                missions.c.run_state,
                missions.c.outcome,
                func.count(),
                func.coalesce(func.sum(missions.c.spent), 0),
            )
            .where(self._mine)
            .group_by(missions.c.run_state, missions.c.outcome)
        )
        self.totals = self._compile(totals)
        self.totals_of_kind = self._compile(totals.where(missions.c.kind == bindparam("kind")))

    def page(self, where: MissionFilter, order: MissionOrder) -> Statement:
        """A page of missions."""
        shape = ("page", order, *_shape(where))
        if shape not in self._made:
            at = missions.c.updated_at if order is MissionOrder.UPDATED else missions.c.created_at
            is_older = or_(
                at < bindparam("at"),
                and_(at == bindparam("at"), missions.c.id < bindparam("last_id")),
            )
            self._made[shape] = self._compile(
                select(*self._columns)
                .where(self._mine, is_older, *_conditions(where))
                .order_by(at.desc(), missions.c.id.desc())
                .limit(bindparam("rows"))
            )
        return self._made[shape]

    def search(self, where: MissionFilter) -> Statement:
        """The events that say the texts found."""
        shape = ("search", *_shape(where))
        if shape not in self._made:
            self._made[shape] = self._compile(find_texts(self._words, _conditions(where)))
        return self._made[shape]

    def question(self, wanted: Sequence[str]) -> str:
        """The words as the database wants them."""
        return self._words.question(wanted)

    def some(self, count: int) -> Statement:
        """Some of the owner's missions by their ids."""
        if ("some", count) not in self._made:
            self._made["some", count] = self._compile(
                select(*self._columns).where(self._mine, missions.c.id.in_(_ids(count)))
            )
        return self._made["some", count]

    def history(self, count: int) -> Statement:
        """What was said in some missions."""
        if ("history", count) not in self._made:
            mine = select(missions.c.id).where(self._mine, missions.c.id.in_(_ids(count)))
            self._made["history", count] = self._compile(
                select(events)
                .where(events.c.mission_id.in_(mine), SAID)
                .order_by(events.c.mission_id, events.c.seq)
            )
        return self._made["history", count]


def filter_values(where: MissionFilter) -> dict[str, str]:
    """The parameters of a filter."""
    values = {
        f"{name}_{n}": value.value
        for name, chosen in _choices(where).items()
        for n, value in enumerate(chosen)
    }
    named = {
        "parent": where.parent,
        "workspace": where.workspace,
        "directory": where.directory,
    }
    return values | {name: value for name, value in named.items() if value is not None}


def _choices(
    where: MissionFilter,
) -> dict[str, Sequence[MissionKind] | Sequence[MissionStatus] | Sequence[RunState]]:
    return {"kind": where.kinds, "status": where.statuses, "run_state": where.run_states}


def _conditions(where: MissionFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        missions.c[name].in_([bindparam(f"{name}_{n}") for n in range(len(chosen))])
        for name, chosen in _choices(where).items()
        if chosen
    ]
    if where.parent is not None:
        conditions.append(missions.c.parent_id == bindparam("parent"))
    if where.workspace is not None:
        conditions.append(missions.c.workspace_id == bindparam("workspace"))
    if where.directory is not None:
        conditions.append(missions.c.workspace == bindparam("directory"))
    return conditions


def _shape(where: MissionFilter) -> tuple[object, ...]:
    lengths = (len(chosen) for chosen in _choices(where).values())
    named = (where.parent, where.workspace, where.directory)
    return (*lengths, *(value is None for value in named))


def _ids(count: int) -> list[Any]:
    return [bindparam(f"mission_{n}") for n in range(count)]
