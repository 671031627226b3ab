"""The control stream: everything that happens to a user's missions, in one stream.

A reader has a place in what is the owner's, by `owner_seq`, and is sent what comes after it;
there is no queue per reader. Who has no place begins now, with how things stand; so does who is
nowhere, and is told so.
"""

from collections.abc import Sequence
from functools import partial

from fastapi import Response

from open_agent.core.actor import Actor
from open_agent.core.ids import MissionId
from open_agent.core.mission import MissionKind
from open_agent.events.log import EncodedRecord
from open_agent.server.control.frames import control_frames
from open_agent.server.control.live import LiveFrames, notice_frames
from open_agent.server.control.snapshots import Snapshots
from open_agent.server.frames import Frames
from open_agent.server.sse import (
    CACHED_FRAMES,
    LARGEST_CACHED,
    Cursor,
    EventStream,
    Push,
    read_cursor,
)
from open_agent.server.streams import CHUNK_BYTES, KEEP_ALIVE, REPLAYED, STOPPING
from open_agent.services.control.assembly import Control
from open_agent.services.missions import Follower, MissionEvents

_NOTHING = Frames(())


class ControlStreams:
    """Opens control streams for readers.

    Args:
        missions: Where the records are.
        control: What they are about.
        keep_alive: Seconds of silence after which a comment is sent.
    """

    def __init__(self, missions: MissionEvents, control: Control, *, keep_alive: float) -> None:
        self._missions = missions
        self._control = control
        self._keep_alive = keep_alive
        self._snapshots = Snapshots(control)
        self._frames: dict[tuple[str, int], Frames] = {}

    async def open(self, actor: Actor, cursor: str | None) -> Response:
        """Everything of the actor's from the cursor on; without one, from now on."""
        newest = await self._control.conversations.newest(actor)
        place = await self._place(actor, cursor, newest)
        is_lost = cursor is not None and bool(cursor.strip()) and place is None
        return EventStream(partial(self._write, actor, place, newest, is_lost))

    async def _place(self, actor: Actor, text: str | None, newest: int) -> Cursor | None:
        """Where the reader is; none when there is no such place, or they have none."""
        cursor = read_cursor(text)
        if cursor is None or cursor == "unreadable" or cursor.seq > newest:
            return None
        if cursor.k is None or cursor.seq == 0:
            return Cursor(cursor.seq)
        found = await self._missions.some_of_all(actor, after=cursor.seq - 1, count=1)
        if not found or found[0].owner_seq != cursor.seq:
            # Its mission has been deleted since: nothing of it is left to be sent.
            return Cursor(cursor.seq)
        frames = await self._encode(actor, found[0])
        return cursor if cursor.k < max(1, len(frames.items)) else None

    async def _write(
        self, actor: Actor, place: Cursor | None, newest: int, is_lost: bool, push: Push
    ) -> None:
        """Write a whole stream. While it waits it must hold no record: a thousand streams wait."""
        start = b": open\nretry: 1000\n" + (b"id: %d\n\n" % newest if place is None else b"\n")
        place = place or Cursor(newest)
        with self._missions.follow_all(actor) as follower:
            follower.after = place.seq if place.k is None else place.seq - 1
            await push(start + await self._snapshots.first(actor))
            if is_lost:
                await push(await self._snapshots.reset(actor, newest))
            told = _Told(self._snapshots, actor)
            for mission_id in await self._snapshots.at_work(actor):
                told.touch(mission_id, newest)
            await push(await told.news())
            live = LiveFrames(self._control.context, actor)
            while not follower.is_closed:
                if follower.has_records:
                    await self._push_records(actor, await follower.records(), place, told, push)
                    if not follower.has_records and (news := await told.news()):
                        await push(news)
                elif text := await _live(follower, live):
                    await push(text)
                    del text
                elif await follower.changed(live.due_in or self._keep_alive):
                    continue
                elif live.due_in is None:
                    await push(KEEP_ALIVE)
                    follower.look_again()
        await push(STOPPING)

    async def _push_records(
        self,
        actor: Actor,
        records: Sequence[EncodedRecord],
        place: Cursor,
        told: "_Told",
        push: Push,
    ) -> None:
        is_kept = len(records) < REPLAYED
        chunk, size = list[bytes](), 0
        for record in records:
            frames = await self._encode(actor, record, is_kept=is_kept)
            items = frames.items
            if place.k is not None and record.owner_seq == place.seq:
                items = items[place.k + 1 :]
            chunk += items
            size += sum(map(len, items))
            shown = await self._control.context.shown(actor.user_id, record.mission_id)
            if shown is not None and shown.kind is not MissionKind.TASK:
                told.touch(shown.mission_id, record.owner_seq)
                if shown.mission_id == record.mission_id:
                    told.seen[record.mission_id] = record.seq
            if size >= CHUNK_BYTES:
                await push(b"".join(chunk))
                chunk, size = [], 0
        if chunk:
            await push(b"".join(chunk))

    async def _encode(
        self, actor: Actor, record: EncodedRecord, *, is_kept: bool = False
    ) -> Frames:
        """The frames of a record, made once for all who follow."""
        key = (record.mission_id, record.seq)
        found = self._frames.get(key)
        if found is None:
            about = await self._control.context.about(actor.user_id, record)
            found = _NOTHING if about is None else control_frames(record, about)
            if is_kept and len(record.json) <= LARGEST_CACHED:
                if len(self._frames) >= CACHED_FRAMES:
                    del self._frames[next(iter(self._frames))]
                self._frames[key] = found
        return found


class _Told:
    """How missions stand as a reader was told last, and which may stand differently now."""

    def __init__(self, snapshots: Snapshots, actor: Actor) -> None:
        self._snapshots = snapshots
        self._actor = actor
        self._told: dict[MissionId, tuple[int, ...]] = {}
        self._touched: dict[MissionId, int] = {}
        self.seen: dict[MissionId, int] = {}
        """The `seq` of the newest event that the reader was sent, by mission."""

    def touch(self, mission_id: MissionId, place: int) -> None:
        """Something has happened to a mission, at a place of the stream."""
        self._touched[mission_id] = place

    async def news(self) -> bytes:
        """The frames that differ from those told last."""
        found: list[bytes] = []
        touched, self._touched = self._touched, {}
        for mission_id, place in touched.items():
            now = await self._snapshots.of(self._actor, mission_id, place)
            if now is None or now.seq > self.seen.get(mission_id, now.seq):
                continue  # What has happened meanwhile is told first, and touches it again.
            before = self._told.get(mission_id, ())
            found += [each for each in now.frames if hash(each) not in before]
            self._told[mission_id] = tuple(map(hash, now.frames))
        return b"".join(found)


async def _live(follower: Follower, live: LiveFrames) -> bytes:
    news = notice_frames(follower.notices()) + await live.pieces(follower.deltas())
    return news + await live.wholes(follower.live)
