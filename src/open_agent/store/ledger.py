"""What a batch of appends does to the rows it touches: the rules of the log, without a database.

Each database loads rows through `Source`, lets the ledger carry out the requests of one
transaction in order, and writes back what changed. A request that is refused changes nothing, so
it fails alone however many share its transaction. SQL is below this; who asked, and who is told,
is above.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.codec import make_record
from open_agent.events.log import Appended, BudgetSpent, LeaseLost, Opened
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.run import RunStarted
from open_agent.events.projection import (
    MissionRow,
    RunRow,
    fits_budget,
    project_mission,
    project_runs,
)
from open_agent.events.record import Record
from open_agent.events.upcast import FORMAT
from open_agent.store.requests import (
    AnyRequest,
    AppendRequest,
    Draft,
    ExternalRequest,
    OpenRequest,
)
from open_agent.store.rows import StoredEvent, mission_entity


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

    def find_run(self, run_id: RunId) -> RunRow | None:
        """A run, or nothing."""
        ...

    def owner_seq(self, owner: UserId) -> int:
        """The newest `owner_seq` of an owner; 0 for a new one."""
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
        owners: Owners to write, with their newest `owner_seq`.
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
        self.owners: dict[UserId, int] = {}
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

    def _append(self, request: AppendRequest) -> Appended:
        held = self._mission(request.mission_id)
        if held is None:
            raise mission_not_found(request.mission_id)
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
        return Appended(self._write(held, (request.draft,), key=request.key))

    def _open(self, request: OpenRequest) -> Opened:
        if request.key is not None:
            name = (request.owner, request.key)
            opening = self._openings.get(name) or self.source.opening(*name)
            if opening is not None:
                return self._opened_before(request, opening)
        if self._mission(request.mission_id) is not None:
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
        seq, owner_seq = row.last_seq, self._owner_seq(row.owner_id)
        runs: dict[RunId, RunRow] = {}

        def find(run_id: RunId) -> RunRow | None:
            return runs.get(run_id) or self.runs.get(run_id) or self.source.find_run(run_id)

        new: list[StoredEvent] = []
        records: list[Record] = []
        for draft in drafts:
            seq, owner_seq = seq + 1, owner_seq + 1
            record = make_record(seq, owner_seq, self.now, row.id, run_id, draft.event)
            row = project_mission(row, record)
            self._check_budget(find, record)
            runs |= {run.run_id: run for run in project_runs(find, row.owner_id, record)}
            new.append(_stored(record, row.owner_id, key, draft))
            records.append(record)
        if not new:
            return ()
        held.row = row
        self.changed.add(row.id)
        self.runs |= runs
        self.owners[row.owner_id] = owner_seq
        self.new += new
        if key is not None:
            self._keys[row.id, key] = new[0]
        return tuple(records)

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
        held = self.missions.get(mission_id) or self.source.mission(mission_id)
        if held is not None:
            self.missions[mission_id] = held
        return held

    def _owner_seq(self, owner: UserId) -> int:
        known = self.owners.get(owner)
        return self.source.owner_seq(owner) if known is None else known


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
