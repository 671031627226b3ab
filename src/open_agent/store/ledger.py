"""What a batch of appends does to the rows it touches: the rules of the log, without a database.

Each database loads rows through `Source`, lets the ledger carry out the requests of one
transaction in order, and writes back what changed. A request that is refused changes nothing, so
it fails alone however many share its transaction. SQL is below this; who asked, and who is told,
is above.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import RunState
from open_agent.events.codec import make_record
from open_agent.events.log import Appended, BudgetSpent, LeaseLost, Opened
from open_agent.events.model.mission import MissionDeleted, MissionSelected
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.run import RunStarted
from open_agent.events.projection import MissionRow, project_mission
from open_agent.events.queue import QueueChange, QueueRow, apply_change, project_queue, refusal
from open_agent.events.record import Record
from open_agent.events.run_projection import RunRow, fits_budget, project_runs
from open_agent.events.search import TextChange, project_text
from open_agent.events.upcast import FORMAT
from open_agent.store.requests import (
    AnyRequest,
    AppendRequest,
    DeleteRequest,
    Draft,
    ExternalRequest,
    OpenRequest,
    draft_of,
)
from open_agent.store.rows import OwnerRow, StoredEvent, mission_entity


@dataclass(slots=True)
class HeldMission:
    """A mission's row with the epoch of its lease."""

    row: MissionRow
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Opening:
    """The request that made a mission, as its idempotency key remembers it."""

    mission_id: MissionId
    digest: str


class Source(Protocol):
    """The rows as the transaction found them."""

    def mission(self, mission_id: MissionId) -> HeldMission | None:
        """A mission, or nothing."""
        ...

    def is_deleted(self, mission_id: MissionId) -> bool:
        """There was such a mission; asked where there is none."""
        ...

    def find_run(self, run_id: RunId) -> RunRow | None:
        """A run, or nothing."""
        ...

    def owner(self, owner: UserId) -> OwnerRow:
        """An owner, known or new."""
        ...

    def queue(self, mission_id: MissionId) -> Sequence[QueueRow]:
        """A mission's queue in its order."""
        ...

    def opening(self, owner: UserId, key: str) -> Opening | None:
        """What the owner's idempotency key was used for."""
        ...

    def keyed(self, mission_id: MissionId, key: str) -> StoredEvent | None:
        """The event that was appended with the key."""
        ...

    def between(self, mission_id: MissionId, after: int, upto: int) -> list[StoredEvent]:
        """Events with `after < seq <= upto`."""
        ...


class Ledger:
    """One transaction's requests, carried out in memory.

    Attributes:
        source: The rows as the transaction found them.
        now: When what it writes has happened.
        new: Events to insert, in the order of their commit.
        opened: New missions, with the request that made each.
        missions: Missions as they are now.
        changed: Which of `missions` are to be written; new ones are not among them.
        runs: Runs to write.
        owners: Owners to write.
        queue: What changes in queues, in order.
        texts: What changes in what can be found, in order.
        deleted: Missions to remove, with the `seq` of what is left of each.
    """

    def __init__(self, source: Source, now: datetime) -> None:
        self.source = source
        self.now = now
        # As default factories of a dataclass (`dict[MissionId, HeldMission]`) these took 2 µs.
        self.new: list[StoredEvent] = []
        self.opened: dict[MissionId, OpenRequest] = {}
        self.missions: dict[MissionId, HeldMission] = {}
        self.changed: set[MissionId] = set()
        self.runs: dict[RunId, RunRow] = {}
        self.owners: dict[UserId, OwnerRow] = {}
        self.queue: list[QueueChange] = []
        self.texts: list[TextChange] = []
        self.deleted: dict[MissionId, int] = {}
        self._keys: dict[tuple[str, str], StoredEvent] = {}
        self._openings: dict[tuple[UserId, str], Opening] = {}

    def carry_out(self, request: AnyRequest) -> Appended | Opened:
        """Do what is asked, or raise and change nothing."""
        match request:
            case AppendRequest():
                return self._append(request)
            case ExternalRequest():
                return self._append_external(request)
            case OpenRequest():
                return self._open(request)
            case DeleteRequest():
                return self._delete(request)

    def _append(self, request: AppendRequest) -> Appended:
        held = self._mission(request.mission_id)
        if held is None:
            raise LeaseLost(f"Mission {request.mission_id} does not exist, or no longer")
        if held.epoch != request.epoch:
            raise LeaseLost(
                f"Mission {request.mission_id} is at epoch {held.epoch}, not {request.epoch}"
            )
        foreign = self._foreign(held.row, request.known_seq)
        if foreign and request.is_decided:
            return Appended((), foreign)
        return Appended(self._write(held, request.drafts, run_id=request.run_id), foreign)

    def _append_external(self, request: ExternalRequest) -> Appended:
        held = self._mission(request.mission_id)
        if held is None or held.row.owner_id != request.owner:
            raise mission_not_found(request.mission_id)
        first = self._keys.get((request.mission_id, request.key))
        first = first or self.source.keyed(request.mission_id, request.key)
        if first is not None:
            return Appended((first.record(),), is_duplicate=True)
        refused = refusal(held.row, request.draft.event, lambda: self._queue_of(held.row.id))
        if refused is not None:
            raise refused
        return Appended(self._write(held, (request.draft,), key=request.key))

    def _open(self, request: OpenRequest) -> Opened:
        if request.key is not None:
            name = (request.owner, request.key)
            opening = self._openings.get(name) or self.source.opening(*name)
            if opening is not None:
                return self._opened_before(request, opening)
        known = self._mission(request.mission_id) or request.mission_id in self.deleted
        if known or self.source.is_deleted(request.mission_id):
            raise Conflict(
                "mission.exists", f"There is already a mission {request.mission_id}; use a new id."
            )
        held = HeldMission(_row_before(request, self.now))
        records = self._write(held, request.drafts)
        self.changed.discard(request.mission_id)
        self.missions[request.mission_id] = held
        self.opened[request.mission_id] = request
        if request.key is not None:
            opening = Opening(request.mission_id, request.digest)
            self._openings[request.owner, request.key] = opening
        return Opened(mission_entity(held.row), records)

    def _delete(self, request: DeleteRequest) -> Appended:
        found = [self._mission(mission_id) for mission_id in request.missions]
        rows = [held.row for held in found if held and held.row.owner_id == request.owner]
        if not rows or rows[0].id != request.mission_id:
            raise mission_not_found(request.mission_id)
        if rows[0].kind is MissionKind.CHILD:
            raise Conflict(
                "mission.delegated",
                "This mission is part of the one that delegated it. Delete that one.",
                {"parent_id": rows[0].parent_id},
            )
        if request.known_seq not in (None, rows[0].last_seq):
            raise Conflict("mission.changed", "Something happened in this mission. Look again.")
        if any(row.run_state in (RunState.RUNNING, RunState.WAITING) for row in rows):
            raise Conflict("mission.running", "Cannot delete a running mission. Cancel it first.")
        return Appended(tuple(self._remove(row, request.by) for row in rows))

    def _remove(self, row: MissionRow, by: UserId) -> Record:
        owner = self._owner(row.owner_id)
        was_current = owner.current_mission == row.id
        draft = draft_of(MissionDeleted(by=by, was_current=was_current))
        record = make_record(
            row.last_seq + 1, owner.last_seq + 1, self.now, row.id, None, draft.event
        )
        current = None if was_current else owner.current_mission
        self.owners[row.owner_id] = OwnerRow(record.owner_seq, current)
        self.new.append(_stored(record, row.owner_id, None, draft))
        self.deleted[row.id] = record.seq
        self.changed.discard(row.id)
        self.opened.pop(row.id, None)
        self.missions.pop(row.id, None)
        return record

    def _opened_before(self, request: OpenRequest, opening: Opening) -> Opened:
        if opening.digest != request.digest:
            raise Conflict(
                "idempotency.key_reused",
                "This idempotency key was used for a different request. Use a new key, or send"
                " the same request again.",
                {"mission_id": opening.mission_id},
            )
        held = self._mission(opening.mission_id)
        if held is None:
            raise mission_not_found(opening.mission_id)
        records = self._foreign(held.row, 0, upto=len(request.drafts))
        return Opened(mission_entity(held.row), records, is_new=False)

    def _write(
        self,
        held: HeldMission,
        drafts: Sequence[Draft],
        *,
        run_id: RunId | None = None,
        key: str | None = None,
    ) -> tuple[Record, ...]:
        """Place the drafts in the log; all rows change together, after the last check."""
        row = held.row
        owner = self._owner(row.owner_id)
        seq, owner_seq, current = row.last_seq, owner.last_seq, owner.current_mission
        queue: list[QueueChange] = []
        runs: dict[RunId, RunRow] = {}

        def find(run_id: RunId) -> RunRow | None:
            return runs.get(run_id) or self.runs.get(run_id) or self.source.find_run(run_id)

        read_queue = partial(self._queue_of, held.row.id, queue)
        new: list[StoredEvent] = []
        records: list[Record] = []
        for draft in drafts:
            seq, owner_seq = seq + 1, owner_seq + 1
            record = make_record(
                seq, owner_seq, draft.at or self.now, row.id, draft.run_id or run_id, draft.event
            )
            before, row = row, project_mission(row, record)
            if seq > row.copies_until:
                self._check_budget(find, record)
            runs |= {run.run_id: run for run in project_runs(find, row, record)}
            change = project_queue(before, record, read_queue)
            if change is not None:
                queue.append(change)
            if isinstance(draft.event, MissionSelected):
                current = row.id
            new.append(_stored(record, row.owner_id, key, draft))
            records.append(record)
        if not new:
            return ()
        held.row = row
        self.changed.add(row.id)
        self.runs |= runs
        self.queue += queue
        self._project_texts(row.owner_id, records)
        self.owners[row.owner_id] = OwnerRow(owner_seq, current)
        self.new += new
        if key is not None:
            self._keys[row.id, key] = new[0]
        return tuple(records)

    def _project_texts(self, owner: UserId, records: Sequence[Record]) -> None:
        for record in records:
            text = project_text(owner, record)
            if text is not None:
                self.texts.append(text)

    def _check_budget(self, find: Callable[[RunId], RunRow | None], record: Record) -> None:
        if not isinstance(record.event, ModelAsked) or record.run_id is None:
            return
        run = find(record.run_id)
        root = run and (find(run.root_run_id) or run)
        ask = record.event.reserved_microdollars
        if root and not fits_budget(root, ask):
            left = root.budget - root.spent - root.reserved
            raise BudgetSpent(
                f"The call may cost {ask} micro-dollars; {left} are left for run {root.run_id}"
            )

    def _foreign(self, row: MissionRow, after: int, upto: int | None = None) -> tuple[Record, ...]:
        upto = row.last_seq if upto is None else upto
        if after >= upto:
            return ()
        new = [e for e in self.new if e.mission_id == row.id and after < e.seq <= upto]
        first_new = new[0].seq if new else upto + 1
        old = self.source.between(row.id, after, first_new - 1) if after < first_new - 1 else []
        return tuple(event.record() for event in (*old, *new))

    def _mission(self, mission_id: MissionId) -> HeldMission | None:
        if mission_id in self.deleted:
            return None
        held = self.missions.get(mission_id) or self.source.mission(mission_id)
        if held is not None:
            self.missions[mission_id] = held
        return held

    def _owner(self, owner: UserId) -> OwnerRow:
        return self.owners.get(owner) or self.source.owner(owner)

    def _queue_of(
        self, mission_id: MissionId, newest: Sequence[QueueChange] = ()
    ) -> Sequence[QueueRow]:
        changes = (c for c in (*self.queue, *newest) if c.mission_id == mission_id)
        return apply_change(self.source.queue(mission_id), *changes)


def _row_before(request: OpenRequest, now: datetime) -> MissionRow:
    """What a new mission's first event is counted from."""
    created = request.drafts[0].event
    return project_mission(None, make_record(0, 0, now, request.mission_id, None, created))


def _stored(record: Record, owner: UserId, key: str | None, draft: Draft) -> StoredEvent:
    return StoredEvent(
        record.mission_id,
        record.seq,
        owner,
        record.owner_seq,
        record.run_id,
        record.at,
        draft.event.type,
        FORMAT,
        key,
        draft.body,
        draft.event,
    )


def runs_named(request: AppendRequest) -> list[RunId]:
    """Every run that carrying out the request may look at, but for the root of a known run."""
    named = [] if request.run_id is None else [request.run_id]
    for draft in request.drafts:
        if isinstance(draft.event, RunStarted):
            named.append(draft.event.root_run_id)
    return named


def mission_not_found(mission_id: MissionId) -> NotFound:
    """The same error whether it does not exist or is somebody else's."""
    return NotFound("mission.not_found", f"There is no mission {mission_id}.")
