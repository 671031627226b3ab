"""What happened to a mission: read in pages, or followed as it happens.

Records pass through as the bytes that the log keeps. How they are framed for a reader is the
server's business.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from open_agent.core.actor import Actor
from open_agent.core.errors import NotFound
from open_agent.core.ids import MissionId, is_uuid
from open_agent.core.mission import Mission
from open_agent.engine.feed import Feed, LiveText, Watch
from open_agent.events.delta import Delta
from open_agent.events.log import EncodedRecord, EventLog
from open_agent.store.missions import Missions

READ_BYTES = 256 * 1024
"""About how much a follower reads at once; a batch is all that waits for a slow reader."""
SMALLEST_READ = 16
LARGEST_READ = 1000


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records in order, and after which `seq` the next page begins; absent on the last."""

    items: Sequence[EncodedRecord]
    next: int | None


ReadLog = Callable[[int, int], Awaitable[Sequence[EncodedRecord]]]
"""Records after a place, at most so many."""
PlaceOf = Callable[[EncodedRecord], int]
"""The number by which a reader counts."""


def place_in_mission(record: EncodedRecord) -> int:
    """Where a record is in its mission's log."""
    return record.seq


def place_of_owner(record: EncodedRecord) -> int:
    """Where a record is in its owner's stream."""
    return record.owner_seq


class Follower:
    """Reads a log by cursor as it grows: a mission's, or all that is an owner's.

    Nothing is kept for a reader that does not come back: what it has not read is read from the
    log when it does.
    """

    def __init__(self, feed: Feed, watch: Watch, read: ReadLog, place: PlaceOf) -> None:
        self._feed = feed
        self._watch = watch
        self._read = read
        self._place = place
        self._seen_commits = -1
        self._limit = 2 * SMALLEST_READ
        self.after = 0
        """The place of the last record read; set it to begin elsewhere."""

    @property
    def is_closed(self) -> bool:
        """The server is stopping: read no more."""
        return self._feed.is_closed

    @property
    def has_records(self) -> bool:
        """There may be records after the cursor."""
        return self._watch.commits != self._seen_commits

    async def records(self) -> Sequence[EncodedRecord]:
        """The next records after the cursor, which moves on; none when all are read."""
        if not self.has_records:
            return ()
        commits = self._watch.commits
        found = self._watch.tail(self.after)
        if found is None:
            found = await self._read(self.after, self._limit)
            is_all = len(found) < self._limit
            self._fit_limit(found)
        else:
            is_all = True
        held = _within_reach(found)
        if is_all and len(held) == len(found):
            self._seen_commits = commits
        if held:
            self.after = self._place(held[-1])
        return held

    @property
    def live(self) -> Sequence[LiveText]:
        """What is being written now."""
        return self._watch.live

    def notices(self) -> list[str]:
        """What was said to those who follow now, and not kept."""
        return self._watch.notices()

    def deltas(self) -> list[Delta]:
        """Live text that was not handed out yet."""
        return self._watch.deltas()

    def changed(self, timeout: float) -> Awaitable[bool]:
        """Wait for something new; false when nothing came within `timeout` seconds."""
        return self._watch.changed(timeout)

    def look_again(self) -> None:
        """Ask the log itself next: a lost wake-up may cost time, never an event."""
        self._seen_commits = -1

    def _fit_limit(self, found: Sequence[EncodedRecord]) -> None:
        if found:
            average = sum(len(record.json) for record in found) // len(found) + 1
            self._limit = min(LARGEST_READ, max(SMALLEST_READ, READ_BYTES // average))


def _within_reach(records: Sequence[EncodedRecord]) -> Sequence[EncodedRecord]:
    """As many of the first as a reader may hold while it takes nothing; always one."""
    size = 0
    for count, record in enumerate(records):
        size += len(record.json)
        if count and size > READ_BYTES:
            return records[:count]
    return records


class MissionEvents:
    """The event view of missions."""

    def __init__(self, log: EventLog, missions: Missions, feed: Feed) -> None:
        self._log = log
        self._missions = missions
        self._feed = feed

    @property
    def is_closed(self) -> bool:
        """The server is stopping: whatever is open must end."""
        return self._feed.is_closed

    async def until_closed(self) -> None:
        """Return when the server is stopping."""
        await self._feed.until_closed()

    async def get(self, actor: Actor, mission_id: MissionId) -> Mission:
        """A mission of the actor's.

        Raises:
            NotFound: It does not exist, or is not the actor's (`mission.not_found`).
        """
        if not is_uuid(mission_id):
            raise NotFound("mission.not_found", f"There is no mission {mission_id}.")
        return await self._missions.get(mission_id, owner=actor.user_id)

    async def page(
        self,
        actor: Actor,
        mission_id: MissionId,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> RecordPage:
        """Records with `after < seq < before`, in order; with `before` alone, the newest of them.

        Raises:
            NotFound: The mission does not exist, or is not the actor's (`mission.not_found`).
        """
        mission = await self.get(actor, mission_id)
        end = mission.last_seq + 1 if before is None else min(before, mission.last_seq + 1)
        if after is None:
            after = 0 if before is None else max(0, end - 1 - limit)
        if end - after <= 1:
            return RecordPage((), None)
        items = await self._log.read_encoded(mission.id, after=after, before=end, limit=limit)
        is_more = bool(items) and items[-1].seq + 1 < end
        return RecordPage(items, items[-1].seq if is_more else None)

    async def some(self, mission: Mission, *, after: int, count: int) -> Sequence[EncodedRecord]:
        """A few records of a mission that the caller has got."""
        return await self._log.read_encoded(mission.id, after=after, limit=count)

    async def some_of_all(self, actor: Actor, *, after: int, count: int) -> Sequence[EncodedRecord]:
        """A few records of all that is the actor's, by `owner_seq`."""
        return await self._log.read_owned(actor.user_id, after=after, limit=count)

    async def all(self, mission: Mission) -> list[EncodedRecord]:
        """Every record of a mission that the caller has got."""
        found: list[EncodedRecord] = []
        with self.follow(mission) as follower:
            while records := await follower.records():
                found += records
        return found

    @contextmanager
    def follow(self, mission: Mission) -> Generator[Follower]:
        """Follow a mission that the caller has got, for as long as the context lasts."""

        async def read(after: int, limit: int) -> Sequence[EncodedRecord]:
            return await self._log.read_encoded(mission.id, after=after, limit=limit)

        with self._feed.watch(mission.id) as watch:
            yield Follower(self._feed, watch, read, place_in_mission)

    @contextmanager
    def follow_all(self, actor: Actor) -> Generator[Follower]:
        """Follow all that is the actor's, by `owner_seq`, for as long as the context lasts."""

        async def read(after: int, limit: int) -> Sequence[EncodedRecord]:
            return await self._log.read_owned(actor.user_id, after=after, limit=limit)

        with self._feed.watch_owner(actor.user_id) as watch:
            yield Follower(self._feed, watch, read, place_of_owner)
