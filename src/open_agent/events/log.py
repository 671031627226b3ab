"""Records what happened to missions, in order, once.

Workers and services append; the server and the folds read. Knows nothing of who watches, or of
SQL: `store/` makes it durable, `testing/log.py` keeps it in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.core.mission import Mission
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.union import Event, ExternalEvent
from open_agent.events.record import Record


class LeaseLost(Exception):
    """Another worker holds the mission now; whoever gets this must stop and append no more."""


class BudgetSpent(Exception):
    """The reservation does not fit what is left of the run's budget; nothing was appended."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did, and what it did not know of.

    Attributes:
        records: The new records; empty when the append was refused.
        foreign: Records that others appended after `known_seq`; fold them first.
        is_duplicate: The key had been used; `records` are those of the first time.
    """

    records: tuple[Record, ...]
    foreign: tuple[Record, ...] = ()
    is_duplicate: bool = False

    @property
    def is_refused(self) -> bool:
        """The log had moved since the decision: fold `foreign` and decide again."""
        return not self.records


@dataclass(frozen=True, slots=True)
class Opened:
    """A mission that now exists, and whether this call made it."""

    mission: Mission
    records: tuple[Record, ...] = field(default=())
    is_new: bool = True


@dataclass(frozen=True, slots=True)
class Copy:
    """A record of another mission that a fork takes over, or what closes it."""

    event: Event
    run_id: RunId | None
    at: datetime | None = None
    """When it happened; absent for what happens with the fork."""


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """A record as it goes to readers, without having been decoded."""

    seq: int
    owner_seq: int
    mission_id: MissionId
    type: str
    json: bytes
    """The record's JSON (`Record`), UTF-8."""


CommitListener = Callable[[UserId, Sequence[EncodedRecord]], None]
"""Told, on the event loop, of records just committed by this process; must not block or fail."""


class EventLog(Protocol):
    """The one ordered memory. Every method is safe to call concurrently."""

    async def open_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        message: MessageReceived | None,
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission with its first events, once per owner and `key`.

        `digest` identifies the request; the same key with another digest is refused.

        Raises:
            Conflict: The key was used for a different request (`idempotency.key_reused`).
        """
        ...

    async def fork_mission(
        self,
        mission_id: MissionId,
        created: MissionCreated,
        copies: Sequence[Copy],
        *,
        key: str | None,
        digest: str,
    ) -> Opened:
        """Create a mission that begins with `copies`, as many as `created.forked_from` says.

        Raises:
            Conflict: The key was used for a different request (`idempotency.key_reused`).
        """
        ...

    async def delete_mission(
        self,
        mission_id: MissionId,
        children: Sequence[MissionId],
        *,
        by: UserId,
        owner: UserId,
        known_seq: int | None = None,
    ) -> Appended:
        """Remove a mission and what it delegated; `mission.deleted` is left of each.

        Blobs and workspaces are for the caller to remove, afterwards. With `known_seq`, only if
        nothing happened in the mission since.

        Raises:
            NotFound: The mission does not exist or is not the owner's.
            Conflict: One of them has a run (`mission.running`), or another mission delegated it
                (`mission.delegated`), or something happened (`mission.changed`).
        """
        ...

    async def append(
        self,
        mission_id: MissionId,
        epoch: int,
        events: Sequence[Event],
        *,
        run_id: RunId | None,
        known_seq: int,
    ) -> Appended:
        """Append as the holder of the mission's lease; durable when this returns.

        If `events` holds a `DecidedEvent` and others appended after `known_seq`, nothing is
        appended. A `model.asked` reserves its worst case on the root run's row in the same
        transaction.

        Raises:
            LeaseLost: `epoch` is not the newest.
            BudgetSpent: The reservation does not fit.
        """
        ...

    async def append_external(
        self, mission_id: MissionId, event: ExternalEvent, *, key: str, owner: UserId
    ) -> Appended:
        """Append without a lease, once per mission and `key`.

        Raises:
            NotFound: The mission does not exist or is not the owner's.
            OpenAgentError: It does not fit what waits there now, as `queue.refusal` says.
        """
        ...

    async def read_owned(
        self, owner: UserId, *, after: int = 0, limit: int = 1000
    ) -> list[EncodedRecord]:
        """Records of all that is the owner's, with `owner_seq > after`, in that order.

        Deleted missions leave gaps.
        """
        ...

    async def read(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
        owner: UserId | None = None,
    ) -> list[Record]:
        """Records with `after < seq < before`, in order; with `owner`, only if it is theirs.

        Raises:
            NotFound: `owner` is given and the mission is not theirs.
        """
        ...

    async def read_encoded(
        self,
        mission_id: MissionId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 1000,
    ) -> list[EncodedRecord]:
        """As `read`, but as the bytes that streams send; callers have checked the owner."""
        ...

    async def last_compaction(self, mission_id: MissionId) -> Record | None:
        """The newest `history.compacted`, where a fold may start."""
        ...

    def on_commit(self, listener: CommitListener) -> None:
        """Tell `listener` of every record this process commits from now on."""
        ...
