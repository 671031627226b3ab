"""What one transaction of the writer reads and writes, in two round trips.

Rows are locked in one order, missions, then runs, then owners, each sorted, so that processes
that share the database cannot lock each other out. The owner's row comes last and is held the
shortest: it is what gives `owner_seq` its order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.model.queue import MessageEdited, MessageMoved, MessageRemoved
from open_agent.events.queue import QueueChange, QueueRow, SteeringTaken, Taken
from open_agent.events.run_projection import RunRow
from open_agent.events.search import TextChange, TextGone, TextRow
from open_agent.store.ledger import HeldMission, Ledger, Opening, runs_named
from open_agent.store.postgres.pool import Connection
from open_agent.store.postgres.statements import (
    EVENT_NAMES,
    MISSION_NAMES,
    OPENED_NAMES,
    OWNER_NAMES,
    QUEUE_NAMES,
    RUN_NAMES,
    TEXT_NAMES,
    BatchStatements,
    as_rows,
)
from open_agent.store.requests import (
    AnyRequest,
    AppendRequest,
    DeleteRequest,
    ExternalRequest,
    OpenRequest,
)
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
    run_from,
    run_values,
    text_values,
)


@dataclass(slots=True)
class LoadedRows:
    """Every row that the batch may look at, locked; a `Source` for the ledger."""

    missions: dict[MissionId, HeldMission] = field(default_factory=dict[MissionId, HeldMission])
    used: set[MissionId] = field(default_factory=set[MissionId])
    """Ids that a new mission may not have."""
    runs: dict[RunId, RunRow] = field(default_factory=dict[RunId, RunRow])
    owners: dict[UserId, OwnerRow] = field(default_factory=dict[UserId, OwnerRow])
    queues: dict[MissionId, list[QueueRow]] = field(default_factory=dict[MissionId, list[QueueRow]])
    openings: dict[tuple[UserId, str], Opening] = field(
        default_factory=dict[tuple[UserId, str], Opening]
    )
    events_by_key: dict[tuple[MissionId, str], StoredEvent] = field(
        default_factory=dict[tuple[MissionId, str], StoredEvent]
    )
    events: dict[MissionId, dict[int, StoredEvent]] = field(
        default_factory=dict[MissionId, dict[int, StoredEvent]]
    )

    def mission(self, mission_id: MissionId) -> HeldMission | None:
        """A mission, or nothing."""
        return self.missions.get(mission_id)

    def is_deleted(self, mission_id: MissionId) -> bool:
        """There was such a mission."""
        return mission_id in self.used

    def find_run(self, run_id: RunId) -> RunRow | None:
        """A run, or nothing."""
        return self.runs.get(run_id)

    def owner(self, owner: UserId) -> OwnerRow:
        """An owner."""
        return self.owners[owner]

    def queue(self, mission_id: MissionId) -> list[QueueRow]:
        """A mission's queue in its order, where a request may change it."""
        return self.queues.get(mission_id, [])

    def opening(self, owner: UserId, key: str) -> Opening | None:
        """What the owner's idempotency key was used for."""
        return self.openings.get((owner, key))

    def keyed(self, mission_id: MissionId, key: str) -> StoredEvent | None:
        """The event that was appended with the key."""
        return self.events_by_key.get((mission_id, key))

    def between(self, mission_id: MissionId, after: int, upto: int) -> list[StoredEvent]:
        """Events with `after < seq <= upto`."""
        events = self.events.get(mission_id, {})
        return [events[seq] for seq in range(after + 1, upto + 1) if seq in events]

    def add_missions(self, rows: Sequence[Row]) -> None:
        """Take in rows of missions with their epochs."""
        for row in rows:
            self.missions[row[0]] = HeldMission(mission_from(row), row[-1])

    def add_events(self, rows: Sequence[Row]) -> None:
        """Take in rows of events that a request may have to be shown."""
        for row in rows:
            event = event_from(row)
            self.events.setdefault(event.mission_id, {})[event.seq] = event


@dataclass(frozen=True, slots=True)
class Batch:
    """The requests of one transaction, and what they name."""

    requests: Sequence[AnyRequest]

    @property
    def missions(self) -> list[MissionId]:
        """Every mission that is named."""
        named = {request.mission_id for request in self.requests}
        for request in self.requests:
            if isinstance(request, DeleteRequest):
                named |= set(request.children)
        return sorted(named)

    @property
    def runs(self) -> list[RunId]:
        """Every run that is named."""
        named = (runs_named(r) for r in self.requests if isinstance(r, AppendRequest))
        return sorted({run_id for each in named for run_id in each})

    @property
    def openings(self) -> list[OpenRequest]:
        """Requests for new missions."""
        return [r for r in self.requests if isinstance(r, OpenRequest)]

    @property
    def externals(self) -> list[ExternalRequest]:
        """Requests that may have been made before."""
        return [r for r in self.requests if isinstance(r, ExternalRequest)]

    @property
    def queues(self) -> list[MissionId]:
        """Missions whose queue a person changes."""
        changed = (MessageEdited, MessageMoved, MessageRemoved)
        return sorted({r.mission_id for r in self.externals if isinstance(r.draft.event, changed)})

    @property
    def appends(self) -> list[AppendRequest]:
        """Requests that may have to be told of others' events."""
        return [r for r in self.requests if isinstance(r, AppendRequest)]


async def load(connection: Connection, sql: BatchStatements, batch: Batch) -> LoadedRows:
    """Begin a transaction, lock what the batch changes, and read what it depends on."""
    rows, openings, externals = LoadedRows(), batch.openings, batch.externals
    ids, runs = batch.missions, batch.runs
    keyed_openings = [(r.owner, r.key) for r in openings if r.key is not None]
    execute = connection.execute
    async with connection.pipeline():
        await execute(b"BEGIN")
        missions = await execute(sql.lock_missions, (ids,))
        locked_runs = await execute(sql.lock_runs, (runs, runs)) if runs else None
        owners = await execute(sql.lock_owners, (sorted({r.owner for r in openings}), ids))
        keys = [r.mission_id for r in externals], [r.key for r in externals]
        keyed = await execute(sql.keyed, keys) if externals else None
        names = [owner for owner, _ in keyed_openings], [key for _, key in keyed_openings]
        opened = await execute(sql.openings, names) if keyed_openings else None
        new = [r.mission_id for r in openings]
        used = await execute(sql.left_over, (new,)) if new else None
        queues = await execute(sql.queues, (batch.queues,)) if batch.queues else None
    rows.add_missions(await missions.fetchall())
    rows.owners = {owner: OwnerRow(*row) for owner, *row in await owners.fetchall()}
    if locked_runs is not None:
        rows.runs = {row[0]: run_from(row) for row in await locked_runs.fetchall()}
    if keyed is not None:
        found = [event_from(row) for row in await keyed.fetchall()]
        rows.events_by_key = {(event.mission_id, event.key or ""): event for event in found}
    if used is not None:
        rows.used = {row[0] for row in await used.fetchall()}
    if queues is not None:
        for row in map(queue_from, await queues.fetchall()):
            rows.queues.setdefault(row.mission_id, []).append(row)
    if opened is not None:
        first = max(len(request.drafts) for request in openings)
        await _load_opened(connection, sql, rows, await opened.fetchall(), first)
    await _load_newer(connection, sql, rows, batch.appends)
    return rows


async def write(connection: Connection, sql: BatchStatements, ledger: Ledger) -> None:
    """Write what the ledger changed, and commit."""
    missions = ledger.missions
    opened = [
        (*mission_values(missions[id_].row), request.key, request.digest)
        for id_, request in ledger.opened.items()
    ]
    changed = [mission_values(missions[id_].row) for id_ in ledger.changed - ledger.opened.keys()]
    execute = connection.execute
    async with connection.pipeline():
        await execute(sql.insert_events, as_rows(EVENT_NAMES, map(event_values, ledger.new)))
        if opened:
            await execute(sql.insert_missions, as_rows(OPENED_NAMES, opened))
        if changed:
            await execute(sql.update_missions, as_rows(MISSION_NAMES, changed))
        if ledger.runs:
            runs = map(run_values, ledger.runs.values())
            await execute(sql.upsert_runs, as_rows(RUN_NAMES, runs))
        owners = (owner_values(*owner) for owner in ledger.owners.items())
        await execute(sql.upsert_owners, as_rows(OWNER_NAMES, owners))
        for change in ledger.queue:
            await _change_queue(connection, sql, change)
        await _change_texts(connection, sql, ledger.texts)
        for mission_id, upto in ledger.deleted.items():
            await execute(sql.delete_events, (mission_id, upto))
            for statement in sql.deletes:
                await execute(statement, (mission_id,))
        await execute(b"COMMIT")


async def _change_texts(
    connection: Connection, sql: BatchStatements, changes: Sequence[TextChange]
) -> None:
    last = {(change.mission_id, change.name): change for change in changes}
    gone = [name for name, change in last.items() if isinstance(change, TextGone)]
    if gone:
        await connection.execute(sql.drop_texts, ([a for a, _ in gone], [b for _, b in gone]))
    put = [text_values(change) for change in last.values() if isinstance(change, TextRow)]
    if put:
        await connection.execute(sql.put_texts, as_rows(TEXT_NAMES, put))


async def _change_queue(connection: Connection, sql: BatchStatements, change: QueueChange) -> None:
    match change:
        case QueueRow():
            rows = as_rows(QUEUE_NAMES, [queue_values(change)])
            await connection.execute(sql.put_messages, rows)
        case Taken(mission_id, message_ids):
            await connection.execute(sql.take_messages, (mission_id, list(message_ids)))
        case SteeringTaken(mission_id):
            await connection.execute(sql.take_steering, (mission_id,))


async def _load_opened(
    connection: Connection,
    sql: BatchStatements,
    rows: LoadedRows,
    found: Sequence[Row],
    first: int,
) -> None:
    """Take in missions that the batch's idempotency keys made before, with their first events."""
    if not found:
        return
    for row in found:
        *mission, epoch, key, digest = row
        rows.missions.setdefault(row[0], HeldMission(mission_from(mission), epoch))
        rows.openings[row[1], key] = Opening(row[0], digest)
    cursor = await connection.execute(sql.first, ([row[0] for row in found], first))
    rows.add_events(await cursor.fetchall())


async def _load_newer(
    connection: Connection,
    sql: BatchStatements,
    rows: LoadedRows,
    appends: Sequence[AppendRequest],
) -> None:
    """Take in the events that a holder did not know of."""
    known: dict[MissionId, int] = {}
    for request in appends:
        held = rows.missions.get(request.mission_id)
        if held is not None and request.known_seq < held.row.last_seq:
            before = known.get(request.mission_id, request.known_seq)
            known[request.mission_id] = min(before, request.known_seq)
    if known:
        cursor = await connection.execute(sql.newer, (list(known), list(known.values())))
        rows.add_events(await cursor.fetchall())
