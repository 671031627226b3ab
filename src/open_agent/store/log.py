"""The event log over a database, whichever it is.

Appends go to the database's writer, reads to its reader. The rules of appending are in
`ledger.py`; what is a different rule on each database is in its own folder.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.log import Appended, CommitListener, Copy, EncodedRecord, Opened
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.union import Event, ExternalEvent
from open_agent.events.record import Record
from open_agent.store.ledger import mission_not_found
from open_agent.store.listeners import Listeners
from open_agent.store.ports import Reader, Writer
from open_agent.store.requests import (
    DeleteRequest,
    append_request,
    external_request,
    fork_request,
    open_request,
)
from open_agent.store.rows import Row, event_from
from open_agent.store.statement import Compile
from open_agent.store.tables import COMPACTION, events

BEYOND_ANY_SEQ = 2**62


class LogStatements:
    """The SQL of reading the log."""

    def __init__(self, compile_: Compile) -> None:
        page = (
            select(events)
            .where(
                events.c.mission_id == bindparam("mission"),
                events.c.seq > bindparam("after"),
                events.c.seq < bindparam("before"),
            )
            .order_by(events.c.seq)
            .limit(bindparam("rows"))
        )
        self.page = compile_(page)
        self.owned_page = compile_(page.where(events.c.owner_id == bindparam("owner")))
        self.owner = compile_(
            select(events.c.owner_id).where(
                events.c.mission_id == bindparam("mission"), events.c.seq == 1
            )
        )
        self.owned = compile_(
            select(events)
            .where(events.c.owner_id == bindparam("owner"), events.c.owner_seq > bindparam("after"))
            .order_by(events.c.owner_seq)
            .limit(bindparam("rows"))
        )
        self.compaction = compile_(
            select(events)
            .where(events.c.mission_id == bindparam("mission"), COMPACTION)
            .order_by(events.c.seq.desc())
            .limit(1)
        )


class StoredLog:
    """`EventLog` on a database."""

    def __init__(
        self, writer: Writer, reader: Reader, sql: LogStatements, listeners: Listeners
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._sql = sql
        self._listeners = listeners

    async def open_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        message: MessageReceived | None,
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission with its first events, once per owner and `key`."""
        return await self._writer.open(open_request(mission_id, created, message, key, digest))

    async def fork_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        copies: Sequence[Copy],
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission that begins with copies."""
        return await self._writer.open(fork_request(mission_id, created, copies, key, digest))

    async def delete_mission(
        self,
        mission_id: MissionId,
        children: Sequence[MissionId],
        *,
        by: UserId,
        owner: UserId,
        known_seq: int | None = None,
    ) -> Appended:
        """Remove a mission and what it delegated."""
        return await self._writer.delete(
            DeleteRequest(mission_id, tuple(children), owner, by, known_seq)
        )

    async def append(
        self,
        mission_id: MissionId,
        epoch: int,
        events: Sequence[Event],
        *,
        run_id: RunId | None,
        known_seq: int,
    ) -> Appended:
        """Append as the holder of the mission's lease; durable when this returns."""
        request = append_request(mission_id, epoch, events, run_id, known_seq)
        return await self._writer.append(request)

    async def append_external(
        self, mission_id: MissionId, event: ExternalEvent, *, key: str, owner: UserId
    ) -> Appended:
        """Append without a lease, once per mission and `key`."""
        return await self._writer.append(external_request(mission_id, event, key, owner))

    async def read_owned(
        self, owner: UserId, *, after: int = 0, limit: int = 1000
    ) -> list[EncodedRecord]:
        """Records of all that is the owner's, with `owner_seq > after`, in that order."""
        return await self._reader.fetch(
            self._sql.owned, _encoded, owner=owner, after=after, rows=limit
        )

    async def read(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        owner: UserId | None = None,
    ) -> list[Record]:
        """Records with `after < seq < before`, in order; with `owner`, only if it is theirs."""
        window = {"after": after, "before": before or BEYOND_ANY_SEQ, "rows": limit}
        if owner is None:
            return await self._reader.fetch(self._sql.page, _record, mission=mission_id, **window)
        records = await self._reader.fetch(
            self._sql.owned_page, _record, mission=mission_id, owner=owner, **window
        )
        if not records and [owner] != await self._reader.fetch(
            self._sql.owner, _first, mission=mission_id
        ):
            raise mission_not_found(mission_id)
        return records

    async def read_encoded(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
    ) -> list[EncodedRecord]:
        """As `read`, but as the bytes that streams send; callers have checked the owner."""
        window = {"after": after, "before": before or BEYOND_ANY_SEQ, "rows": limit}
        return await self._reader.fetch(self._sql.page, _encoded, mission=mission_id, **window)

    async def last_compaction(self, mission_id: MissionId) -> Record | None:
        """The newest `history.compacted`, where a fold may start."""
        records = await self._reader.fetch(self._sql.compaction, _record, mission=mission_id)
        return records[0] if records else None

    def on_commit(self, listener: CommitListener) -> None:
        """Tell `listener` of every record this process commits from now on."""
        self._listeners.add(listener)


def _record(row: Row) -> Record:
    return event_from(row).record()


def _encoded(row: Row) -> EncodedRecord:
    return event_from(row).encoded()


def _first(row: Row) -> str:
    return row[0]
