"""What waits in a mission, and what people do to it before its run begins."""

import anyio
import pytest

from open_agent.agent.view import load_view
from open_agent.core.errors import Conflict, LimitReached
from open_agent.core.ids import MessageId, MissionId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import RunState
from open_agent.events.log import Appended
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.union import ExternalEvent
from open_agent.events.queue import LONGEST_QUEUE
from open_agent.models.encoding import Conversation
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    asked,
    claim,
    finished,
    message,
    new_run,
    open_one,
    started,
)

UNMOVED = 10**9
TOGETHER = 500


async def hear(db: Database, mission_id: MissionId, event: ExternalEvent) -> Appended:
    return await db.log.append_external(mission_id, event, key=new_uuid(), owner=ANNA)


async def with_messages(db: Database, count: int) -> tuple[MissionId, list[MessageReceived]]:
    """A mission whose queue holds so many."""
    said = [message(f"Part {number}.") for number in range(count)]
    opened = await open_one(db, kind=MissionKind.MISSION, first=said[0])
    for later in said[1:]:
        await hear(db, opened.mission.id, later)
    return opened.mission.id, said


async def queue_of(db: Database, mission_id: MissionId) -> list[str]:
    """What waits, by its stored rows; those who work on the mission see the same."""
    rows = (await db.upkeep.stored()).queues.get(mission_id, [])
    state, _ = await load_view(db.log, mission_id, Conversation())
    assert [row.message_id for row in rows] == [m.message_id for m in state.pending]
    mission = await db.missions.get(mission_id, owner=ANNA)
    assert mission.queued == len(rows)
    assert mission.is_held == state.is_held
    return [row.message_id for row in rows]


async def take(db: Database, mission_id: MissionId, *messages: MessageReceived) -> None:
    """Let a run begin with these messages, and end."""
    run_id = new_run()
    mission = await db.missions.get(mission_id, owner=ANNA)
    events = [started(*messages, root=run_id), finished()]
    await db.log.append(mission_id, 0, events, run_id=run_id, known_seq=mission.last_seq)


def moved(what: MessageReceived, before: MessageReceived | None) -> MessageMoved:
    return MessageMoved(message_id=what.message_id, before=before and before.message_id, by=ANNA)


def removed(what: MessageReceived) -> MessageRemoved:
    return MessageRemoved(message_id=what.message_id, by=ANNA)


def edited(what: MessageReceived, content: str = "Rather this.") -> MessageEdited:
    return MessageEdited(message_id=what.message_id, content=content, by=ANNA)


async def test_a_moved_message_stands_where_it_was_put(db: Database) -> None:
    mission_id, (a, b, c, d) = await with_messages(db, 4)

    async def order() -> str:
        names = {said.message_id: name for said, name in zip((a, b, c, d), "abcd", strict=True)}
        return "".join(names[MessageId(each)] for each in await queue_of(db, mission_id))

    for what, before, expected in (
        (d, a, "dabc"),
        (a, c, "dbac"),
        (d, None, "bacd"),
        (c, c, "badc"),
        (a, b, "abdc"),
        (c, d, "abcd"),
    ):
        await hear(db, mission_id, moved(what, before))
        assert await order() == expected


async def test_a_message_can_be_moved_between_the_same_two_for_ever(db: Database) -> None:
    mission_id, (a, b, c) = await with_messages(db, 3)
    for _ in range(30):
        await hear(db, mission_id, moved(b, a))
        await hear(db, mission_id, moved(a, b))
    await hear(db, mission_id, moved(c, b))

    assert await queue_of(db, mission_id) == [a.message_id, c.message_id, b.message_id]


async def test_an_edit_is_what_the_model_is_told_and_keeps_the_place(db: Database) -> None:
    mission_id, (a, b) = await with_messages(db, 2)
    await hear(db, mission_id, edited(a, "First."))
    await hear(db, mission_id, edited(a, "First, and well."))

    assert await queue_of(db, mission_id) == [a.message_id, b.message_id]
    await take(db, mission_id, a)
    _, conversation = await load_view(db.log, mission_id, Conversation())
    body = conversation.encode_request("m", 10).body
    assert b"First, and well." in body
    assert b"Part 0." not in body


async def test_a_removed_message_is_never_carried_out(db: Database) -> None:
    mission_id, (a, b) = await with_messages(db, 2)
    await hear(db, mission_id, removed(a))
    assert await queue_of(db, mission_id) == [b.message_id]
    await hear(db, mission_id, removed(b))

    mission = await db.missions.get(mission_id, owner=ANNA)
    assert await queue_of(db, mission_id) == []
    assert (mission.run_state, mission.queued, mission.messages) == (RunState.IDLE, 0, 2)
    assert await db.leases.claim_next("w", per_owner_limit=9, limit=9) == []


@pytest.mark.parametrize("what", ["taken", "removed", "steer", "unknown"])
async def test_what_does_not_wait_cannot_be_changed(db: Database, what: str) -> None:
    mission_id, (a, b) = await with_messages(db, 2)
    gone = {"taken": a, "removed": a, "steer": message(delivery="steer"), "unknown": message()}[
        what
    ]
    if what == "taken":
        await take(db, mission_id, a)
    elif what == "removed":
        await hear(db, mission_id, removed(a))
    elif what == "steer":
        await hear(db, mission_id, gone)
    before = await queue_of(db, mission_id)

    for change in (edited(gone), removed(gone), moved(gone, b), moved(b, gone)):
        with pytest.raises(Conflict) as refused:
            await hear(db, mission_id, change)
        assert refused.value.code == "message.not_waiting"
    assert await queue_of(db, mission_id) == before


async def test_of_a_change_and_the_run_that_takes_the_message_one_is_refused(
    db: Database,
) -> None:
    mission_id, (a, *_) = await with_messages(db, 2)
    done: list[str] = []

    async def change() -> None:
        try:
            await hear(db, mission_id, edited(a))
        except Conflict:
            done.append("too late")

    async def begin() -> None:
        run_id = new_run()
        appended = await db.log.append(
            mission_id, 0, [started(a, root=run_id)], run_id=run_id, known_seq=3
        )
        if appended.is_refused:
            done.append("decide again")

    async with anyio.create_task_group() as group:
        group.start_soon(change)
        group.start_soon(begin)

    assert len(done) == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_ten_thousand_messages_keep_their_order_and_more_are_refused(db: Database) -> None:
    said = [message(f"{number}") for number in range(LONGEST_QUEUE)]
    mission_id = (await open_one(db, kind=MissionKind.MISSION, first=said[0])).mission.id
    for begin in range(1, LONGEST_QUEUE, TOGETHER):
        placed: dict[MessageId, int] = {}

        async def send(what: MessageReceived, placed: dict[MessageId, int] = placed) -> None:
            (record,) = (await hear(db, mission_id, what)).records
            placed[what.message_id] = record.seq

        async with anyio.create_task_group() as group:
            for each in said[begin : begin + TOGETHER]:
                group.start_soon(send, each)
        said[begin : begin + TOGETHER] = sorted(
            said[begin : begin + TOGETHER], key=lambda each: placed[each.message_id]
        )
    with pytest.raises(LimitReached) as refused:
        await hear(db, mission_id, message("One more."))
    assert refused.value.code == "queue.full"

    rows = (await db.upkeep.stored()).queues[mission_id]
    assert [row.message_id for row in rows] == [each.message_id for each in said]
    await take(db, mission_id, said[0])
    await hear(db, mission_id, message("Now there is room."))
    assert (await db.missions.get(mission_id, owner=ANNA)).queued == LONGEST_QUEUE


async def test_a_cancel_holds_the_queue_until_it_is_released(db: Database) -> None:
    mission_id, (a, b) = await with_messages(db, 2)
    epoch, run_id = await claim(db, mission_id), new_run()
    begin = [started(a, root=run_id), asked()]
    await db.log.append(mission_id, epoch, begin, run_id=run_id, known_seq=UNMOVED)
    await hear(db, mission_id, CancelRequested(by=ANNA))
    await db.log.append(mission_id, epoch, [finished()], run_id=run_id, known_seq=UNMOVED)
    await db.leases.release(mission_id, epoch)

    held = await db.missions.get(mission_id, owner=ANNA)
    assert (held.run_state, held.is_held, held.queued) == (RunState.FINISHED, True, 1)
    assert await queue_of(db, mission_id) == [b.message_id]
    assert await db.leases.claim_next("w", per_owner_limit=9, limit=9) == []
    assert await db.leases.unfinished() == []
    await hear(db, mission_id, QueueReleased(by=ANNA))
    goes_on = await db.missions.get(mission_id, owner=ANNA)
    assert (goes_on.run_state, goes_on.is_held) == (RunState.QUEUED, False)
    assert [c.mission_id for c in await db.leases.claim_next("w", per_owner_limit=9, limit=9)] == [
        mission_id
    ]


async def test_the_next_message_lets_a_held_queue_go_on(db: Database) -> None:
    mission_id, (a, b) = await with_messages(db, 2)
    await hear(db, mission_id, CancelRequested(by=ANNA))
    held = await db.missions.get(mission_id, owner=ANNA)
    assert (held.run_state, held.is_held) == (RunState.IDLE, True)
    c = message("And go on.")
    await hear(db, mission_id, c)

    assert await queue_of(db, mission_id) == [a.message_id, b.message_id, c.message_id]
    mission = await db.missions.get(mission_id, owner=ANNA)
    assert (mission.run_state, mission.is_held) == (RunState.QUEUED, False)


async def test_a_task_that_is_cancelled_before_its_run_is_not_held(db: Database) -> None:
    mission = (await open_one(db, kind=MissionKind.TASK)).mission
    await hear(db, mission.id, CancelRequested(by=ANNA))

    mission = await db.missions.get(mission.id, owner=ANNA)
    assert (mission.run_state, mission.is_held) == (RunState.QUEUED, False)
