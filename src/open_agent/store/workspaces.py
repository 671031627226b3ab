"""Workspaces as rows: those that are made, and what is to be remembered of directories.

A mission's own directory, or one that a person named, follows from the mission's row. It has a row
here, with the mission's id, only once there is something to remember of it: that it is kept, how
large it is, that it was removed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from open_agent.core.errors import NotFound
from open_agent.core.ids import MissionId, UserId, WorkspaceId
from open_agent.core.workspace import Recipe, WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.store.missions import read_cursor
from open_agent.store.ports import Changer, Reader
from open_agent.store.rows import Row, from_micros, to_micros
from open_agent.store.statement import Compile, Statement
from open_agent.store.tables import workspaces


@dataclass(frozen=True, slots=True)
class KindSize:
    """What an owner's workspaces of a kind take, as far as they were measured."""

    kind: WorkspaceKind
    count: int
    size_bytes: int


class WorkspaceRows(Protocol):
    """The rows of workspaces."""

    async def add(self, entry: WorkspaceEntry, *, owner: UserId) -> bool:
        """Keep a new one; false when there is one with its id."""
        ...

    async def get(self, workspace_id: WorkspaceId, *, owner: UserId) -> WorkspaceEntry:
        """One of the owner's.

        Raises:
            NotFound: It has no row, or is not theirs (`workspace.not_found`).
        """
        ...

    async def get_for_system(self, workspace_id: WorkspaceId) -> WorkspaceEntry:
        """One, whoever owns it: for workers, never for a request.

        Raises:
            NotFound: It has no row (`workspace.not_found`).
        """
        ...

    async def page(
        self, *, owner: UserId, after: str | None, limit: int
    ) -> Sequence[WorkspaceEntry]:
        """The owner's that are not removed, newest first, below a cursor.

        Raises:
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        ...

    async def some(
        self, ids: Sequence[WorkspaceId], *, owner: UserId
    ) -> dict[WorkspaceId, WorkspaceEntry]:
        """Those of the owner's with these ids, removed ones too."""
        ...

    async def settle_for_system(self, entry: WorkspaceEntry) -> None:
        """Write what making or removing it has changed: state, branch, base, problem, notes."""
        ...

    async def keep(self, workspace_id: WorkspaceId, is_kept: bool, *, owner: UserId) -> None:
        """Let it outlive its missions, or not."""
        ...

    async def measure_for_system(
        self, workspace_id: WorkspaceId, size_bytes: int, at: datetime
    ) -> None:
        """Write how large it is."""
        ...

    async def delete_for_system(self, workspace_id: WorkspaceId) -> None:
        """Forget it."""
        ...

    async def on_host_for_system(self, host_id: str) -> list[WorkspaceEntry]:
        """Those on a host that are not removed, oldest first."""
        ...

    async def sizes(self, *, owner: UserId) -> list[KindSize]:
        """What the owner's take, by kind."""
        ...

    async def sizes_for_system(self) -> list[KindSize]:
        """What everybody's take, by kind."""
        ...


class WorkspaceStatements:
    """The SQL of workspaces."""

    def __init__(self, compile_: Compile) -> None:
        self._compile = compile_
        columns = tuple(workspaces.c)
        self._mine = workspaces.c.owner_id == bindparam("owner")
        self._is_there = workspaces.c.state != bindparam(
            "removed", WorkspaceState.REMOVED.value, unique=False
        )
        this = workspaces.c.id == bindparam("key")
        values = [bindparam(column.name, type_=column.type) for column in columns]
        taken = select(workspaces.c.id).where(workspaces.c.id == bindparam("id", type_=Text))
        self.add = compile_(
            insert(workspaces)
            .from_select(
                [column.name for column in columns], select(*values).where(~taken.exists())
            )
            .returning(workspaces.c.id)
        )
        self.get = compile_(select(workspaces).where(self._mine, this))
        self.get_for_system = compile_(select(workspaces).where(this))
        self.page = compile_(
            select(workspaces)
            .where(self._mine, self._is_there, _is_older())
            .order_by(workspaces.c.created_at.desc(), workspaces.c.id.desc())
            .limit(bindparam("rows"))
        )
        self.on_host = compile_(
            select(workspaces)
            .where(workspaces.c.host_id == bindparam("host"), self._is_there)
            .order_by(workspaces.c.created_at, workspaces.c.id)
        )
        self._build_changes(compile_)
        self._build_sizes()

    def _build_changes(self, compile_: Compile) -> None:
        this = workspaces.c.id == bindparam("key")
        settled = ("state", "branch", "base", "base_commit", "problem", "notes", "updated_at")
        self.settle = compile_(
            update(workspaces)
            .where(this)
            .values(
                {name: bindparam(f"new_{name}", type_=workspaces.c[name].type) for name in settled}
            )
        )
        self.keep = compile_(
            update(workspaces).where(self._mine, this).values(is_kept=bindparam("kept"))
        )
        self.measure = compile_(
            update(workspaces)
            .where(this)
            .values(
                size_bytes=bindparam("bytes", type_=BigInteger),
                measured_at=bindparam("at", type_=BigInteger),
            )
        )
        self.delete = compile_(delete(workspaces).where(this))

    def some(self, count: int) -> Statement:
        """Those with so many ids."""
        ids: list[Any] = [bindparam(f"id_{n}") for n in range(count)]
        return self._compile(select(workspaces).where(self._mine, workspaces.c.id.in_(ids)))

    def _build_sizes(self) -> None:
        sizes = (
            select(
                workspaces.c.kind,
                func.count(),
                func.coalesce(func.sum(workspaces.c.size_bytes), 0),
            )
            .where(self._is_there)
            .group_by(workspaces.c.kind)
            .order_by(workspaces.c.kind)
        )
        self.sizes = self._compile(sizes.where(self._mine))
        self.sizes_for_system = self._compile(sizes)


def _is_older() -> ColumnElement[bool]:
    return or_(
        workspaces.c.created_at < bindparam("before"),
        and_(
            workspaces.c.created_at == bindparam("before"), workspaces.c.id < bindparam("last_id")
        ),
    )


class StoredWorkspaces:
    """`WorkspaceRows` on a database."""

    def __init__(self, changer: Changer, reader: Reader, sql: WorkspaceStatements) -> None:
        self._changer = changer
        self._reader = reader
        self._sql = sql

    async def add(self, entry: WorkspaceEntry, *, owner: UserId) -> bool:
        """Keep a new one; false when there is one with its id."""
        assert entry.owner_id == owner
        return bool((await self._changer.change([self._sql.add.query(**_values(entry))]))[0])

    async def get(self, workspace_id: WorkspaceId, *, owner: UserId) -> WorkspaceEntry:
        """One of the owner's."""
        found = await self._reader.fetch(self._sql.get, _entry, key=workspace_id, owner=owner)
        return _only(found, workspace_id)

    async def get_for_system(self, workspace_id: WorkspaceId) -> WorkspaceEntry:
        """One, whoever owns it."""
        found = await self._reader.fetch(self._sql.get_for_system, _entry, key=workspace_id)
        return _only(found, workspace_id)

    async def page(
        self, *, owner: UserId, after: str | None, limit: int
    ) -> Sequence[WorkspaceEntry]:
        """The owner's that are not removed, newest first, below a cursor."""
        before, last_id = read_cursor(after)
        values = {"owner": owner, "before": before, "last_id": last_id, "rows": limit}
        return await self._reader.fetch(self._sql.page, _entry, **values)

    async def some(
        self, ids: Sequence[WorkspaceId], *, owner: UserId
    ) -> dict[WorkspaceId, WorkspaceEntry]:
        """Those of the owner's with these ids."""
        if not ids:
            return {}
        values = {f"id_{n}": id_ for n, id_ in enumerate(ids)}
        sql = self._sql.some(len(ids))
        found = await self._reader.fetch(sql, _entry, owner=owner, **values)
        return {entry.id: entry for entry in found}

    async def settle_for_system(self, entry: WorkspaceEntry) -> None:
        """Write what making or removing it has changed."""
        step = self._sql.settle.query(
            key=entry.id,
            new_state=entry.state.value,
            new_branch=entry.branch,
            new_base=entry.base,
            new_base_commit=entry.base_commit,
            new_problem=entry.problem,
            new_notes=entry.notes,
            new_updated_at=to_micros(entry.updated_at),
        )
        await self._changer.change([step])

    async def keep(self, workspace_id: WorkspaceId, is_kept: bool, *, owner: UserId) -> None:
        """Let it outlive its missions, or not."""
        step = self._sql.keep.query(key=workspace_id, owner=owner, kept=int(is_kept))
        await self._changer.change([step])

    async def measure_for_system(
        self, workspace_id: WorkspaceId, size_bytes: int, at: datetime
    ) -> None:
        """Write how large it is."""
        step = self._sql.measure.query(key=workspace_id, bytes=size_bytes, at=to_micros(at))
        await self._changer.change([step])

    async def delete_for_system(self, workspace_id: WorkspaceId) -> None:
        """Forget it."""
        await self._changer.change([self._sql.delete.query(key=workspace_id)])

    async def on_host_for_system(self, host_id: str) -> list[WorkspaceEntry]:
        """Those on a host that are not removed, oldest first."""
        return await self._reader.fetch(self._sql.on_host, _entry, host=host_id)

    async def sizes(self, *, owner: UserId) -> list[KindSize]:
        """What the owner's take, by kind."""
        return await self._reader.fetch(self._sql.sizes, _size, owner=owner)

    async def sizes_for_system(self) -> list[KindSize]:
        """What everybody's take, by kind."""
        return await self._reader.fetch(self._sql.sizes_for_system, _size)


def workspace_not_found(workspace_id: str) -> NotFound:
    """The error for a workspace that is not there, or not the caller's."""
    return NotFound("workspace.not_found", f"Workspace {workspace_id} not found.")


def _only(found: Sequence[WorkspaceEntry], workspace_id: WorkspaceId) -> WorkspaceEntry:
    if not found:
        raise workspace_not_found(workspace_id)
    return found[0]


def _values(entry: WorkspaceEntry) -> dict[str, Any]:
    values = entry.model_dump(exclude={"recipe"}, mode="python")
    values["kind"], values["state"] = entry.kind.value, entry.state.value
    values["recipe"] = entry.recipe.model_dump_json(exclude_defaults=True)
    values["is_kept"] = int(entry.is_kept)
    for name in ("measured_at", "created_at", "updated_at"):
        values[name] = None if values[name] is None else to_micros(values[name])
    return values


def _entry(row: Row) -> WorkspaceEntry:
    return WorkspaceEntry(
        id=WorkspaceId(row[0]),
        owner_id=UserId(row[1]),
        kind=WorkspaceKind(row[2]),
        state=WorkspaceState(row[3]),
        path=row[4],
        host_id=row[5],
        isolation=row[6],
        recipe=Recipe.model_validate_json(row[7]),
        branch=row[8],
        base=row[9],
        base_commit=row[10],
        mission_id=None if row[11] is None else MissionId(row[11]),
        is_kept=bool(row[12]),
        problem=row[13],
        notes=row[14],
        size_bytes=row[15],
        measured_at=None if row[16] is None else from_micros(row[16]),
        created_at=from_micros(row[17]),
        updated_at=from_micros(row[18]),
    )


def _size(row: Row) -> KindSize:
    return KindSize(WorkspaceKind(row[0]), row[1], int(row[2]))
