"""The two streams: a task's log as the original's clients know it, and a mission's events.

There is no queue per reader. A reader has a place in the log; whenever it can take more, it is
sent what comes after that place. So a slow reader costs nothing but its own socket, and how a
stream is cut and resumed cannot change what is seen. `connection.py` drops readers that take
nothing at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import Response

from open_agent.core.mission import Mission
from open_agent.core.run import RunState
from open_agent.events.log import EncodedRecord
from open_agent.server.frames import delta_frame, frame, mission_frames, task_frames, to_json
from open_agent.server.sse import Cursor, EventStream, FrameCache, Push, read_cursor
from open_agent.services.missions import Follower, MissionEvents

KEEP_ALIVE_SECONDS = 15.0
CHUNK_BYTES = 64 * 1024
"""Frames are joined up to about this size before they are sent."""

REPLAYED = 16
"""So many records at once are old ones, which this reader alone is after."""

OPENED = b": open\nretry: 1000\n\n"
KEEP_ALIVE = b": keep-alive\n\n"
STOPPING = b": the server is stopping, come back with the last id\n\n"
RESET = frame(b"reset", b'{"reason":"cursor.unknown"}')
"""Forget everything: all of it follows from the beginning."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What differs between the streams."""

    cache: FrameCache
    has_deltas: bool
    keep_alive: float


class Streams:
    """Opens streams for readers.

    Args:
        missions: Where the records are.
        keep_alive: Seconds of silence after which a comment is sent.
    """

    def __init__(self, missions: MissionEvents, *, keep_alive: float = KEEP_ALIVE_SECONDS) -> None:
        self._missions = missions
        self._task = _Kind(FrameCache(task_frames), has_deltas=False, keep_alive=keep_alive)
        self._mission = _Kind(FrameCache(mission_frames), has_deltas=True, keep_alive=keep_alive)

    async def task(self, mission: Mission, cursor: str | None) -> Response:
        """A task's log from the cursor on, and its end.

        Who has seen the end is answered with 204, which tells browsers not to come back.
        """
        place = await self._place(mission, cursor, self._task)
        if place is not None and await self._is_all_seen(mission, place):
            return Response(status_code=204)
        head = OPENED + (RESET if place is None else b"")
        return EventStream(partial(self._write, mission, self._task, head, place or Cursor(0)))

    async def mission(self, mission: Mission, cursor: str | None) -> Response:
        """A mission as it is, its events from the cursor on, and live text between them."""
        place = await self._place(mission, cursor, self._mission)
        head = OPENED + (RESET if place is None else b"") + frame(b"snapshot", to_json(mission))
        return EventStream(partial(self._write, mission, self._mission, head, place or Cursor(0)))

    async def _place(self, mission: Mission, text: str | None, kind: _Kind) -> Cursor | None:
        """Where the reader is; none when no reader of this log can be there."""
        cursor = read_cursor(text)
        if cursor is None:
            return Cursor(0)
        if cursor == "unreadable" or cursor.seq > mission.last_seq:
            return None
        if cursor.k is None or cursor.seq == 0:
            return Cursor(cursor.seq)
        (record,) = await self._missions.some(mission, after=cursor.seq - 1, count=1)
        return cursor if cursor.k < len(kind.cache.frames(record).items) else None

    async def _is_all_seen(self, mission: Mission, place: Cursor) -> bool:
        """Whether the task has ended and nothing is left to be sent."""
        if mission.run_state is not RunState.FINISHED or place.seq == 0:
            return False
        with self._missions.follow(mission) as follower:
            _go_to(follower, place)
            while records := await follower.records():
                for record in records:
                    if _unseen(self._task.cache.frames(record).items, record.seq, place):
                        return False
        return True

    async def _write(
        self, mission: Mission, kind: _Kind, head: bytes, place: Cursor, push: Push
    ) -> None:
        """Write a whole stream. While it waits it must hold no record: a thousand streams wait."""
        await push(head)
        with self._missions.follow(mission) as follower:
            _go_to(follower, place)
            while not follower.is_closed:
                if follower.has_records:
                    if await _push_records(await follower.records(), kind, place, push):
                        return
                elif kind.has_deltas and (text := _deltas(follower)):
                    await push(text)
                    del text
                elif not await follower.changed(kind.keep_alive):
                    await push(KEEP_ALIVE)
                    follower.look_again()
        await push(STOPPING)


async def _push_records(
    records: Sequence[EncodedRecord], kind: _Kind, place: Cursor, push: Push
) -> bool:
    """Send the frames of records; true when the stream ends with them."""
    encode = kind.cache.frames if len(records) < REPLAYED else kind.cache.encode
    chunk: list[bytes] = []
    size = 0
    for record in records:
        frames = encode(record)
        items = _unseen(frames.items, record.seq, place)
        chunk += items
        size += sum(map(len, items))
        if frames.is_last:
            await push(b"".join(chunk))
            return True
        if size >= CHUNK_BYTES:
            await push(b"".join(chunk))
            chunk, size = [], 0
    if chunk:
        await push(b"".join(chunk))
    return False


def _deltas(follower: Follower) -> bytes:
    return b"".join(map(delta_frame, follower.deltas()))


def _go_to(follower: Follower, place: Cursor) -> None:
    """Begin with the record that the reader has not seen all of."""
    follower.after = place.seq if place.k is None else place.seq - 1


def _unseen(items: tuple[bytes, ...], seq: int, place: Cursor) -> tuple[bytes, ...]:
    """Those of a record's frames that come after the reader's place."""
    return items[place.k + 1 :] if place.k is not None and seq == place.seq else items
