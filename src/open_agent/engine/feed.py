"""Tells whoever watches a mission that there is something new, and carries live text.

A feed holds no queue per watcher: it wakes them, and each reads the log by its own cursor. The
newest records of watched missions are kept encoded, so that a thousand watchers of one event do
not read it a thousand times; text being written is kept as far as it has come, so that a watcher
who joins in mid-message gets all of it.
"""

import asyncio
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from open_agent.core.ids import MissionId, UserId
from open_agent.events.delta import Delta, DeltaKind, DeltaSource
from open_agent.events.log import EncodedRecord

TAIL_RECORDS = 256
"""Newest records kept for each watched mission."""
FLUSH_SECONDS = 0.03
"""Fragments that come within this are sent as one."""
LONGEST_TEXT = 200_000
"""Characters kept of one text being written; of longer ones the end."""


class Text:
    """One kind of text of one source, as far as it has come."""

    __slots__ = ("_parts", "base", "length")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.base = 0
        """Characters dropped at the beginning."""
        self.length = 0
        """Characters in all, the dropped ones included."""

    def add(self, content: str) -> None:
        """Append a fragment."""
        self._parts.append(content)
        self.length += len(content)
        if self.length - self.base > 2 * LONGEST_TEXT:
            whole = "".join(self._parts)[-LONGEST_TEXT:]
            self._parts, self.base = [whole], self.length - len(whole)

    def since(self, offset: int) -> tuple[int, str]:
        """What came after `offset` characters, and the offset at which it begins."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        begin = max(offset, self.base)
        return begin, self._parts[0][begin - self.base :] if self._parts else ""


@dataclass(slots=True, eq=False)
class LiveText:
    """A source that is being written to, with its texts by kind."""

    source: DeltaSource
    mission: "_Watched"
    number: int
    texts: dict[DeltaKind, Text] = field(default_factory=dict[DeltaKind, Text])

    def write(self, kind: DeltaKind, content: str) -> None:
        """Hand on one fragment."""
        text = self.texts.get(kind)
        if text is None:
            text = self.texts[kind] = Text()
        text.add(content)
        self.mission.flush_soon()

    def close(self) -> None:
        """Forget the text: it is, or will be, an event."""
        self.mission.live.remove(self)
        self.mission.drop_if_unused()


class _Watched:
    """A mission that is watched or written to."""

    def __init__(self, feed: "Feed", mission_id: MissionId) -> None:
        self._feed = feed
        self._mission_id = mission_id
        self._flush: asyncio.TimerHandle | None = None
        self.watchers: set[Watch] = set()
        self.live: list[LiveText] = []
        self.tail: deque[EncodedRecord] = deque(maxlen=TAIL_RECORDS)
        self.commits = 0

    def keep(self, record: EncodedRecord) -> None:
        """Add to the tail, which never has a gap."""
        self.commits += 1
        if self.tail and self.tail[-1].seq + 1 != record.seq:
            self.tail.clear()
        self.tail.append(record)

    def flush_soon(self) -> None:
        if self.watchers and self._flush is None:
            loop = asyncio.get_running_loop()
            self._flush = loop.call_later(FLUSH_SECONDS, self._flush_now)

    def _flush_now(self) -> None:
        self._flush = None
        self.wake()

    def wake(self) -> None:
        for watch in self.watchers:
            watch.wake()

    def drop_if_unused(self) -> None:
        if not self.watchers and not self.live:
            self._feed.forget(self._mission_id)


class Watch:
    """One watcher's place: what it was told last, and how it is woken."""

    def __init__(self, mission: _Watched) -> None:
        self._mission = mission
        self._is_news = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._late_at = 0.0
        self._told: dict[tuple[int, DeltaKind], int] = {}

    def wake(self) -> None:
        """There may be something new."""
        self._is_news = True
        self._go_on()

    async def changed(self, timeout: float) -> bool:
        """Wait for something new; false when nothing came within `timeout` seconds."""
        if not self._is_news:
            loop = asyncio.get_running_loop()
            self._late_at = loop.time() + timeout
            # One timer that is looked at again when it goes off too soon, not one for every wait:
            # with a thousand watchers of one event those were a fifth of the time.
            if self._timer is None or self._timer.when() > self._late_at:
                self.close()
                self._timer = loop.call_at(self._late_at, self._look)
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        is_news, self._is_news = self._is_news, False
        return is_news

    def close(self) -> None:
        """Leave no timer behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._late_at:
            self._timer = loop.call_at(self._late_at, self._look)
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def commits(self) -> int:
        """Another number than before when records were committed meanwhile."""
        return self._mission.commits

    def tail(self, after: int) -> Sequence[EncodedRecord] | None:
        """Records after `after`, if all of those committed since are still kept; else none."""
        tail = self._mission.tail
        if not tail or tail[0].seq > after + 1:
            return None
        # By place, not by search: a thousand watchers that walk the tail take 10 ms for one event.
        return [tail[place] for place in range(after + 1 - tail[0].seq, len(tail))]

    def deltas(self) -> list[Delta]:
        """Live text that this watcher has not been given; at first, all of it so far."""
        news: list[Delta] = []
        for live in self._mission.live:
            for kind, text in live.texts.items():
                place = (live.number, kind)
                offset = self._told.get(place, 0)
                if offset < text.length:
                    begin, content = text.since(offset)
                    news.append(_to_delta(live.source, kind, begin, content))
                    self._told[place] = text.length
        if not self._mission.live:
            self._told.clear()
        return news


class Feed:
    """Wake-ups and live text for this process."""

    def __init__(self) -> None:
        self._missions: dict[MissionId, _Watched] = {}
        self._is_closed = False
        self._opened = 0

    def committed(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """Hear of records just committed; a `CommitListener`."""
        del owner
        woken: set[_Watched] = set()
        for record in records:
            mission = self._missions.get(record.mission_id)
            if mission is not None:
                mission.keep(record)
                woken.add(mission)
        for mission in woken:
            mission.wake()

    @contextmanager
    def watch(self, mission_id: MissionId) -> Generator[Watch]:
        """Watch a mission for as long as the context lasts."""
        mission = self._get(mission_id)
        watch = Watch(mission)
        mission.watchers.add(watch)
        try:
            yield watch
        finally:
            watch.close()
            mission.watchers.discard(watch)
            mission.drop_if_unused()

    def open(self, source: DeltaSource) -> LiveText:
        """Begin a live text; it is kept until closed."""
        mission = self._get(source.mission_id)
        self._opened += 1
        live = LiveText(source, mission, self._opened)
        mission.live.append(live)
        return live

    def close(self) -> None:
        """Wake every watcher for the last time: the server is stopping."""
        self._is_closed = True
        for mission in list(self._missions.values()):
            mission.wake()

    @property
    def is_closed(self) -> bool:
        """Watchers must end their streams now."""
        return self._is_closed

    @property
    def watchers(self) -> int:
        """How many watch a mission now."""
        return sum(len(mission.watchers) for mission in self._missions.values())

    def forget(self, mission_id: MissionId) -> None:
        """Drop what is kept of a mission that nobody watches or writes to."""
        self._missions.pop(mission_id, None)

    def _get(self, mission_id: MissionId) -> _Watched:
        mission = self._missions.get(mission_id)
        if mission is None:
            mission = self._missions[mission_id] = _Watched(self, mission_id)
        return mission


def _to_delta(source: DeltaSource, kind: DeltaKind, offset: int, content: str) -> Delta:
    return Delta.model_construct(
        mission_id=source.mission_id,
        run_id=source.run_id,
        kind=kind,
        step=source.step,
        call_id=source.call_id,
        offset=offset,
        content=content,
    )
