"""Who did what that others may have to answer for: written once, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pydantic_core
from sqlalchemy import and_, bindparam, insert, or_, select

from open_agent.core.account import AuditEntry
from open_agent.core.errors import Invalid
from open_agent.core.ids import UserId
from open_agent.store.missions import read_cursor
from open_agent.store.ports import Changer, Reader
from open_agent.store.rows import Row, from_micros, to_micros
from open_agent.store.statement import Compile
from open_agent.store.tables import audit_log


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, newest first, and where the next page begins; none on the last."""

    items: tuple[AuditEntry, ...]
    next: str | None


class AuditLog(Protocol):
    """The audit log, for administrators; it belongs to the installation and to no user."""

    async def append_for_system(self, entry: AuditEntry) -> None:
        """Write an entry; it is durable when this returns."""
        ...

    async def page_for_system(self, *, after: str | None, limit: int) -> AuditPage:
        """Entries, newest first; `after` is the `next` of the page before.

        Raises:
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        ...


class AuditStatements:
    """The SQL of the audit log."""

    def __init__(self, compile_: Compile) -> None:
        self.append = compile_(
            insert(audit_log).values({c.name: bindparam(c.name) for c in audit_log.c})
        )
        is_older = or_(
            audit_log.c.at < bindparam("before"),
            and_(audit_log.c.at == bindparam("before"), audit_log.c.id < bindparam("last_id")),
        )
        self.page = compile_(
            select(audit_log)
            .where(is_older)
            .order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
            .limit(bindparam("rows"))
        )


class StoredAudit:
    """`AuditLog` on a database."""

    def __init__(self, changer: Changer, reader: Reader, sql: AuditStatements) -> None:
        self._changer = changer
        self._reader = reader
        self._sql = sql

    async def append_for_system(self, entry: AuditEntry) -> None:
        """Write an entry; it is durable when this returns."""
        step = self._sql.append.query(
            id=entry.id,
            at=to_micros(entry.at),
            actor_id=entry.actor_id,
            actor_name=entry.actor_name,
            action=entry.action,
            target=entry.target,
            details=pydantic_core.to_json(dict(entry.details)).decode(),
            address=entry.address,
        )
        await self._changer.change([step])

    async def page_for_system(self, *, after: str | None, limit: int) -> AuditPage:
        """Entries, newest first; `after` is the `next` of the page before."""
        before, last_id = read_cursor(after)
        if "\0" in last_id:
            raise Invalid("cursor.invalid", "This cursor is not one of ours; begin without one.")
        items = await self._reader.fetch(
            self._sql.page, _entry, before=before, last_id=last_id, rows=limit + 1
        )
        shown = tuple(items[:limit])
        is_more = len(items) > limit
        return AuditPage(shown, f"{to_micros(shown[-1].at)}.{shown[-1].id}" if is_more else None)


def _entry(row: Row) -> AuditEntry:
    details: Mapping[str, Any] = pydantic_core.from_json(row[6])
    actor = None if row[2] is None else UserId(row[2])
    return AuditEntry(row[0], from_micros(row[1]), actor, row[3], row[4], row[5], details, row[7])
