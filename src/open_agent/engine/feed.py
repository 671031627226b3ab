"""Tells whoever watches a mission, or all of an owner's, of what is new; carries live text.

A feed holds no queue per watcher: it wakes them, and each reads the log by its own cursor. The
newest records of watched missions are kept encoded, so that a thousand watchers of one event do
not read it a thousand times; text being written is kept as far as it has come, so that a watcher
who joins in mid-message gets all of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Sequence
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


NOTICES = 16
"""Kept for those who have not looked yet."""

_BEGINS_TO_WRITE = frozenset({"model.asked", "tool.called"})
_WRITES_NO_MORE = frozenset({"run.finished", "mission.deleted"})


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
    watched: tuple["_Watched", ...]
    """What shows it: its mission, and its owner's stream."""
    number: int
    texts: dict[DeltaKind, Text] = field(default_factory=dict[DeltaKind, Text])

    def write(self, kind: DeltaKind, content: str) -> None:
        """Hand on one fragment."""
        text = self.texts.get(kind)
        if text is None:
            text = self.texts[kind] = Text()
        text.add(content)
        for watched in self.watched:
            watched.flush_soon()

    def close(self) -> None:
        """Forget the text: it is, or will be, an event."""
        for watched in self.watched:
            watched.live.remove(self)
            watched.drop_if_unused()


def _place_in_mission(record: EncodedRecord) -> int:
    return record.seq


def _place_of_owner(record: EncodedRecord) -> int:
    return record.owner_seq


class _Watched:
    """A mission, or an owner's stream, that is watched or written to.

    Args:
        place: The number by which its records are in order, without gaps.
        forget: Called when nobody watches or writes any more.
    """

    def __init__(self, place: Callable[[EncodedRecord], int], forget: Callable[[], object]) -> None:
        self._forget = forget
        self._flush: asyncio.TimerHandle | None = None
        self.watchers: set[Watch] = set()
        self.live: list[LiveText] = []
        self.tail: deque[EncodedRecord] = deque(maxlen=TAIL_RECORDS)
        self.commits = 0
        self.notices: deque[tuple[int, str]] = deque(maxlen=NOTICES)
        self.noticed = 0
        self.place = place

    def keep(self, record: EncodedRecord) -> None:
        """Add to the tail, which never has a gap."""
        self.commits += 1
        if self.tail:
            newest = self.place(self.tail[-1])
            if self.place(record) != newest + 1:
                self.tail.clear()
            if self.place(record) <= newest:
                # Heard of out of order: who reads the log finds both.
                return
        self.tail.append(record)

    def notice(self, text: str) -> None:
        """Say something to those who watch now, which is not kept."""
        self.noticed += 1
        self.notices.append((self.noticed, text))
        self.wake()

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
            self._forget()


class Watch:
    """One watcher's place: what it was told last, and how it is woken."""

    def __init__(self, watched: _Watched) -> None:
        self._watched = watched
        self._noticed = watched.noticed
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
        return self._watched.commits

    @property
    def live(self) -> Sequence[LiveText]:
        """What is being written now."""
        return self._watched.live

    def notices(self) -> list[str]:
        """What was said to those who watch, and to this one not yet."""
        watched = self._watched
        if self._noticed == watched.noticed:
            return []
        news = [text for number, text in watched.notices if number > self._noticed]
        self._noticed = watched.noticed
        return news

    def tail(self, after: int) -> Sequence[EncodedRecord] | None:
        """Records after `after`, if all of those committed since are still kept; else none."""
        tail = self._watched.tail
        if not tail:
            return None
        first = self._watched.place(tail[0])
        if first > after + 1:
            return None
        # By place, not by search: a thousand watchers that walk the tail take 10 ms for one event.
        return [tail[place] for place in range(after + 1 - first, len(tail))]

    def deltas(self) -> list[Delta]:
        """Live text that this watcher has not been given; at first, all of it so far."""
        news: list[Delta] = []
        for live in self._watched.live:
            for kind, text in live.texts.items():
                place = (live.number, kind)
                offset = self._told.get(place, 0)
                if offset < text.length:
                    begin, content = text.since(offset)
                    news.append(_to_delta(live.source, kind, begin, content))
                    self._told[place] = text.length
        if not self._watched.live:
            self._told.clear()
        return news


class Feed:
    """Wake-ups and live text for this process."""

    def __init__(self) -> None:
        self._missions: dict[MissionId, _Watched] = {}
        self._owners: dict[UserId, _Watched] = {}
        self._writing: dict[MissionId, UserId] = {}
        """Whose the missions are that ask a model or call tools now."""
        self._is_closed = False
        self._closing = asyncio.Event()
        self._opened = 0

    def committed(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """Hear of records just committed; a `CommitListener`."""
        woken: set[_Watched] = set()
        stream = self._owners.get(owner)
        if stream is not None:
            woken.add(stream)
        for record in records:
            if record.type in _BEGINS_TO_WRITE:
                self._writing[record.mission_id] = owner
            elif record.type in _WRITES_NO_MORE:
                self._writing.pop(record.mission_id, None)
            if stream is not None:
                stream.keep(record)
            mission = self._missions.get(record.mission_id)
            if mission is not None:
                mission.keep(record)
                woken.add(mission)
        for watched in woken:
            watched.wake()

    @contextmanager
    def watch(self, mission_id: MissionId) -> Generator[Watch]:
        """Watch a mission for as long as the context lasts."""
        with _watching(self._get(mission_id)) as watch:
            yield watch

    @contextmanager
    def watch_owner(self, owner: UserId) -> Generator[Watch]:
        """Watch all that is an owner's, by `owner_seq`, for as long as the context lasts."""
        with _watching(self._get_owner(owner)) as watch:
            yield watch

    def notice(self, owner: UserId, text: str) -> None:
        """Say something to those who watch an owner's stream now; it is not kept."""
        stream = self._owners.get(owner)
        if stream is not None:
            stream.notice(text)

    def open(self, source: DeltaSource) -> LiveText:
        """Begin a live text; it is kept until closed."""
        owner = self._writing.get(source.mission_id)
        watched = [self._get(source.mission_id)]
        if owner is not None:
            watched.append(self._get_owner(owner))
        self._opened += 1
        live = LiveText(source, tuple(watched), self._opened)
        for each in watched:
            each.live.append(live)
        return live

    def close(self) -> None:
        """Wake every watcher for the last time: the server is stopping."""
        self._is_closed = True
        self._closing.set()
        for watched in [*self._missions.values(), *self._owners.values()]:
            watched.wake()

    @property
    def is_closed(self) -> bool:
        """Watchers must end their streams now."""
        return self._is_closed

    async def until_closed(self) -> None:
        """Return when the server is stopping."""
        await self._closing.wait()

    @property
    def watchers(self) -> int:
        """How many watch a mission, or an owner's stream, now."""
        every = [*self._missions.values(), *self._owners.values()]
        return sum(len(watched.watchers) for watched in every)

    def _get(self, mission_id: MissionId) -> _Watched:
        found = self._missions.get(mission_id)
        if found is None:
            found = _Watched(_place_in_mission, lambda: self._missions.pop(mission_id, None))
            self._missions[mission_id] = found
        return found

    def _get_owner(self, owner: UserId) -> _Watched:
        found = self._owners.get(owner)
        if found is None:
            found = _Watched(_place_of_owner, lambda: self._owners.pop(owner, None))
            self._owners[owner] = found
        return found


@contextmanager
def _watching(watched: _Watched) -> Generator[Watch]:
    watch = Watch(watched)
    watched.watchers.add(watch)
    try:
        yield watch
    finally:
        watch.close()
        watched.watchers.discard(watch)
        watched.drop_if_unused()


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
