"""A whole database in memory, for tests that need lists and leases beside the log."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from open_agent.core.clock import Clock, SystemClock
from open_agent.core.ids import MissionId, UserId, new_uuid
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.core.run import Outcome, RunState
from open_agent.events.projection import MissionRow
from open_agent.events.search import is_found, query_words
from open_agent.store.accounts import AccountStatements, StoredAccounts
from open_agent.store.audit import AuditStatements, StoredAudit
from open_agent.store.base import Database
from open_agent.store.blobs import FileBlobs
from open_agent.store.dialect import sqlite_compiler
from open_agent.store.history import Said, histories, spoken_from
from open_agent.store.leases import Claimed, Held, Unfinished
from open_agent.store.ledger import mission_not_found
from open_agent.store.mcp_servers import McpStatements, StoredMcp
from open_agent.store.missions import UNTITLED, MissionTotal
from open_agent.store.paging import (
    EVERY_MISSION,
    MissionFilter,
    MissionOrder,
    MissionPage,
    cursor_of,
    read_cursor,
)
from open_agent.store.rows import event_values, mission_entity, to_micros
from open_agent.store.search import Found, found_from
from open_agent.store.tables import (
    SAID_TYPES,
    access_changes,
    account_keys,
    accounts,
    audit_log,
    ended_sessions,
    mcp_changes,
    mcp_secrets,
    mcp_servers,
    tool_switches,
    workspaces,
)
from open_agent.store.upkeep import Projections, Size
from open_agent.store.workspaces import StoredWorkspaces, WorkspaceStatements
from open_agent.testing.control import MemoryControl
from open_agent.testing.log import InMemoryLog
from open_agent.testing.rows import MemoryRows


def open_memory_database(blob_folder: Path, clock: Clock | None = None) -> Database:
    """A database that ends with the test; only blobs are files."""
    log = InMemoryLog(clock or SystemClock())

    access = (accounts, account_keys, ended_sessions, access_changes, audit_log)
    mcp = (mcp_servers, mcp_secrets, tool_switches, mcp_changes)
    rows = MemoryRows(*access, *mcp, workspaces)
    compile_ = sqlite_compiler()

    async def close() -> None:
        """Let go of what is no file either."""
        rows.close()

    return Database(
        log=log,
        missions=MemoryMissions(log),
        control=MemoryControl(log),
        leases=MemoryLeases(log),
        blobs=FileBlobs(blob_folder),
        upkeep=MemoryUpkeep(log),
        accounts=StoredAccounts(rows, rows, AccountStatements(compile_)),
        audit=StoredAudit(rows, rows, AuditStatements(compile_)),
        mcp=StoredMcp(rows, rows, McpStatements(compile_)),
        workspaces=StoredWorkspaces(rows, rows, WorkspaceStatements(compile_)),
        host_id=new_uuid(),
        slot=0,
        close=close,
    )


class MemoryMissions:
    """`Missions` of an `InMemoryLog`."""

    def __init__(self, log: InMemoryLog) -> None:
        self._rows = log.rows

    async def get(self, mission_id: MissionId, *, owner: UserId) -> Mission:
        """One of the owner's missions."""
        mission = await self.get_for_system(mission_id)
        if mission.owner_id != owner:
            raise mission_not_found(mission_id)
        return mission

    async def get_for_system(self, mission_id: MissionId) -> Mission:
        """A mission, whoever owns it."""
        held = self._rows.missions.get(mission_id)
        if held is None:
            raise mission_not_found(mission_id)
        return mission_entity(held.row)

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
        cursor = read_cursor(after, order)

        def place(row: MissionRow) -> tuple[int, MissionId]:
            at = row.updated_at if order is MissionOrder.UPDATED else row.created_at
            return to_micros(at), row.id

        found = [m for m in self._of(owner) if where.matches(m) and place(m) < cursor]
        found.sort(key=place, reverse=True)
        items = tuple(mission_entity(row) for row in found[:limit])
        return MissionPage(items, cursor_of(items[-1], order) if len(found) > limit else None)

    async def current(self, *, owner: UserId) -> Mission | None:
        """The mission that the owner selected last."""
        current = self._rows.owner(owner).current_mission
        return None if current is None else await self.get_for_system(current)

    async def children(self, parent: MissionId, *, owner: UserId) -> list[Mission]:
        """What a mission delegated itself."""
        found = [row for row in self._of(owner) if row.parent_id == parent]
        found.sort(key=lambda row: (row.created_at, row.id))
        return [mission_entity(row) for row in found]

    async def empty(self, *, owner: UserId) -> list[Mission]:
        """The owner's missions without a message, a run or a title of their own."""
        found = [
            row
            for row in self._talks(self._of(owner))
            if not row.messages
            and row.run_id is None
            and (row.title or "").strip(" ") in ("", UNTITLED)
        ]
        found.sort(key=lambda row: (row.created_at, row.id))
        return [mission_entity(row) for row in found]

    async def stale_for_system(self, before: datetime, *, limit: int = 100) -> list[Mission]:
        """Active missions of whoever, at rest, in which nothing happened since."""
        every = [held.row for held in self._rows.missions.values()]
        found = [
            row
            for row in self._talks(every)
            if row.run_state in (RunState.IDLE, RunState.FINISHED) and row.updated_at < before
        ]
        found.sort(key=lambda row: (row.updated_at, row.id))
        return [mission_entity(row) for row in found[:limit]]

    async def history(
        self, missions: Sequence[MissionId], *, owner: UserId
    ) -> dict[MissionId, list[Said]]:
        """What people and the agent said in some of the owner's missions."""
        mine = sorted({row.id for row in self._of(owner)} & set(missions))
        said = [e for id_ in mine for e in self._rows.events[id_] if e.type in SAID_TYPES]
        return histories([spoken_from(event_values(event)) for event in said])

    async def search(
        self, question: str, *, owner: UserId, limit: int = 50, where: MissionFilter = EVERY_MISSION
    ) -> list[Found]:
        """The owner's missions with a text that has all the words."""
        wanted = query_words(question)
        newest: dict[MissionId, int] = {}
        for text in self._rows.texts.values():
            if wanted and text.owner_id == owner and is_found(text.words, wanted):
                newest.pop(text.mission_id, None)
                newest[text.mission_id] = text.seq
        found: list[Found] = []
        for mission_id, seq in reversed(newest.items()):
            row = self._rows.missions[mission_id].row
            event = self._rows.events[mission_id][seq - 1]
            if where.matches(row):
                text = found_from(event_values(event))
                found.append(text.as_found(mission_entity(row), wanted))
        return found[:limit]

    async def totals(self, *, owner: UserId, kind: MissionKind | None = None) -> list[MissionTotal]:
        """The owner's missions counted by state and outcome."""
        counts: Counter[tuple[RunState, Outcome | None]] = Counter()
        spent: Counter[tuple[RunState, Outcome | None]] = Counter()
        for row in self._of(owner, kind):
            counts[row.run_state, row.outcome] += 1
            spent[row.run_state, row.outcome] += row.spent
        return [MissionTotal(*state, counts[state], spent[state]) for state in counts]

    def _of(self, owner: UserId, kind: MissionKind | None = None) -> list[MissionRow]:
        rows = (held.row for held in self._rows.missions.values())
        return [row for row in rows if row.owner_id == owner and kind in (None, row.kind)]

    def _talks(self, rows: Sequence[MissionRow]) -> list[MissionRow]:
        return [
            row
            for row in rows
            if row.kind is MissionKind.MISSION and row.status is MissionStatus.ACTIVE
        ]


class MemoryLeases:
    """`Leases` of an `InMemoryLog`: they end with the process, as on SQLite."""

    def __init__(self, log: InMemoryLog) -> None:
        self._rows = log.rows
        self._clock = log.clock

    async def claim(self, mission_id: MissionId, holder: str) -> int | None:
        """The new epoch; nothing while anyone has it."""
        held = self._rows.missions.get(mission_id)
        if held is None:
            raise mission_not_found(mission_id)
        if mission_id in self._rows.holders:
            return None
        held.epoch += 1
        self._rows.holders[mission_id] = holder
        return held.epoch

    async def claim_next(
        self, holder: str, *, per_owner_limit: int, limit: int, host_id: str | None = None
    ) -> Sequence[Claimed]:
        """Claim up to `limit` missions that have something to do."""
        claimed: list[Claimed] = []
        while len(claimed) < limit:
            held = [self._rows.missions[id_].row for id_ in self._rows.holders]
            load = Counter(row.owner_id for row in held if row.kind is not MissionKind.CHILD)
            ready = [
                (
                    -1 if row.kind is MissionKind.CHILD else load[row.owner_id],
                    row.ready_at,
                    row.id,
                    row.owner_id,
                )
                for row in self._ready(host_id)
                if row.kind is MissionKind.CHILD or load[row.owner_id] < per_owner_limit
            ]
            if not ready:
                break
            _, _, mission_id, owner = min(ready)
            epoch = await self.claim(mission_id, holder)
            assert epoch is not None
            claimed.append(Claimed(mission_id, owner, epoch))
        return claimed

    async def heartbeat(self, holder: str) -> Sequence[Held]:
        """Learn what is still the holder's own."""
        ids = [id_ for id_, by in self._rows.holders.items() if by == holder]
        missions = [(id_, self._rows.missions[id_]) for id_ in ids]
        return [Held(id_, held.epoch, held.row.last_seq) for id_, held in missions]

    async def release(self, mission_id: MissionId, epoch: int) -> None:
        """Give a mission back; nothing happens if a newer epoch has it."""
        held = self._rows.missions.get(mission_id)
        if held is not None and held.epoch == epoch:
            self._rows.holders.pop(mission_id, None)

    async def next_wake(self) -> datetime | None:
        """When the first of the waiting missions that nobody holds goes on."""
        rows = (held.row for held in self._rows.missions.values())
        times = [
            row.wake_at
            for row in rows
            if row.run_state is RunState.WAITING
            and row.wake_at is not None
            and row.id not in self._rows.holders
        ]
        return min(times, default=None)

    async def unfinished(self) -> Sequence[Unfinished]:
        """Every mission with work left, longest waiting first."""
        rows = [held.row for held in self._rows.missions.values() if held.row.ready_at]
        rows.sort(key=lambda row: (row.ready_at or row.updated_at, row.id))
        return [Unfinished(row.id, row.owner_id, row.run_state, row.wake_at) for row in rows]

    def _ready(self, host_id: str | None) -> list[MissionRow]:
        now = self._clock.now()
        rows = (held.row for held in self._rows.missions.values())
        return [
            row
            for row in rows
            if row.ready_at is not None
            and row.id not in self._rows.holders
            and (row.run_state is not RunState.WAITING or row.ready_at <= now)
            and host_id in (None, row.host_id)
        ]


class MemoryUpkeep:
    """`Upkeep` of an `InMemoryLog`."""

    def __init__(self, log: InMemoryLog) -> None:
        self._rows = log.rows

    async def rebuilt(self) -> Projections:
        """The rows as they follow from the log."""
        projections = Projections()
        events = (event for each in self._rows.events.values() for event in each)
        for event in sorted(events, key=lambda event: (event.owner_id, event.owner_seq)):
            projections.apply(event)
        return projections

    async def stored(self) -> Projections:
        """The rows as they are."""
        missions = {id_: held.row for id_, held in self._rows.missions.items()}
        queues = {id_: list(rows) for id_, rows in self._rows.queues.items() if rows}
        owners, texts = dict(self._rows.owners), dict(self._rows.texts)
        return Projections(missions, dict(self._rows.runs), owners, queues, texts)

    async def sizes(self) -> list[Size]:
        """What every mission's events take, by their type, largest first."""
        counts: Counter[tuple[UserId, MissionId, str]] = Counter()
        sizes: Counter[tuple[UserId, MissionId, str]] = Counter()
        for events in self._rows.events.values():
            for event in events:
                what = (event.owner_id, event.mission_id, event.type)
                counts[what] += 1
                sizes[what] += len(event.body)
        found = [Size(*what, counts[what], sizes[what]) for what in counts]
        return sorted(found, key=lambda s: (-s.bytes, s.owner_id, s.mission_id, s.type))
