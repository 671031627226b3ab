"""What working with missions reads, the same on every database."""

from datetime import timedelta

from open_agent.core.clock import SystemClock
from open_agent.core.ids import CallId, MessageId, MissionId, RunId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.events.model.answer import AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionSelected
from open_agent.events.model.queue import MessageEdited, MessageMoved
from open_agent.store.base import Database
from open_agent.store.rows import OwnerRow
from tests.conformance.making import (
    ANNA,
    BEN,
    answered,
    asked,
    claim,
    finished,
    message,
    new_run,
    open_one,
    started,
)

UNMOVED = 10**9


async def conversation(db: Database, *texts: str) -> tuple[MissionId, list[MessageId]]:
    """A mission of Anna's in whose queue these messages wait."""
    said = [message(text) for text in texts]
    opened = await open_one(db, kind=MissionKind.MISSION, first=said[0])
    for later in said[1:]:
        await db.log.append_external(opened.mission.id, later, key=new_uuid(), owner=ANNA)
    return opened.mission.id, [each.message_id for each in said]


async def run_all(db: Database, mission_id: MissionId, *, is_over: bool = True) -> RunId:
    """A run that takes every message."""
    epoch, run_id = await claim(db, mission_id), new_run()
    waiting = await db.control.waiting(mission_id, owner=ANNA)
    begun = started(root=run_id).model_copy(
        update={"message_ids": [each.row.message_id for each in waiting]}
    )
    events = [begun, asked(5), answered(3, text="Yes."), *([finished()] if is_over else [])]
    for event in events:
        await db.log.append(mission_id, epoch, [event], run_id=run_id, known_seq=UNMOVED)
    return run_id


async def test_an_owners_place_is_the_newest_of_all_that_is_theirs(db: Database) -> None:
    assert await db.control.place(owner=ANNA) == OwnerRow()
    mission_id, _ = await conversation(db, "One.")
    await open_one(db, owner=BEN)
    assert await db.control.place(owner=ANNA) == OwnerRow(2, None)
    event = MissionSelected(by=ANNA)
    await db.log.append_external(mission_id, event, key="select", owner=ANNA)
    assert await db.control.place(owner=ANNA) == OwnerRow(3, mission_id)


async def test_what_waits_is_read_in_order_and_in_pages(db: Database) -> None:
    mission_id, ids = await conversation(db, "One.", "Two.", "Three.")
    for event in (
        MessageMoved(message_id=ids[2], before=ids[0], by=ANNA),
        MessageEdited(message_id=ids[1], content="Second.", by=ANNA),
    ):
        await db.log.append_external(mission_id, event, key=new_uuid(), owner=ANNA)
    found = await db.control.waiting(mission_id, owner=ANNA)
    order = [ids[2], ids[0], ids[1]]
    assert [each.row.message_id for each in found] == order
    assert [getattr(each.record.event, "message_id", None) for each in found] == order
    rest = await db.control.waiting(mission_id, owner=ANNA, after=found[0].row.position, limit=1)
    assert rest == found[1:2]
    assert await db.control.waiting(mission_id, owner=BEN) == []
    assert await db.control.is_waiting(mission_id, ids[0], owner=ANNA)
    assert not await db.control.is_waiting(mission_id, ids[0], owner=BEN)
    said = await db.control.said(mission_id, owner=ANNA, after=2)
    assert [record.event.type for record in said] == ["message.received"] * 2 + ["message.edited"]
    await run_all(db, mission_id)
    assert await db.control.waiting(mission_id, owner=ANNA) == []
    assert not await db.control.is_waiting(mission_id, ids[0], owner=ANNA)


async def test_what_is_at_work_is_found_and_nobody_elses(db: Database) -> None:
    first, _ = await conversation(db, "One.")
    second, _ = await conversation(db, "Two.")
    await open_one(db, kind=MissionKind.TASK)
    await open_one(db, owner=BEN, kind=MissionKind.MISSION)
    assert [each.id for each in await db.control.at_work(owner=ANNA)] == [first, second]
    await run_all(db, second)
    assert [each.id for each in await db.control.at_work(owner=ANNA)] == [first]


async def test_who_asks_is_found_until_the_run_is_over(db: Database) -> None:
    mission_id, _ = await conversation(db, "One.")
    run_id = await run_all(db, mission_id, is_over=False)
    until = SystemClock().now() + timedelta(hours=1)
    question = AnswerRequested(
        call_id=CallId("c1"), name="ui_optionList", kind="input", arguments={}, until=until
    )
    await db.log.append(mission_id, 1, [question], run_id=run_id, known_seq=UNMOVED)
    (asking,) = await db.control.asking(owner=ANNA)
    assert [each.call_id for each in asking.questions] == ["c1"]
    assert await db.control.asking(owner=BEN) == []
    answer = AnswerGiven(call_id=CallId("c1"), answer=1, by=ANNA)
    await db.log.append_external(mission_id, answer, key="answer", owner=ANNA)
    (asking,) = await db.control.asking(owner=ANNA)
    assert asking.questions == ()
    await db.log.append(mission_id, 1, [finished()], run_id=run_id, known_seq=UNMOVED)
    assert await db.control.asking(owner=ANNA) == []


async def test_runs_are_read_newest_first_with_what_happened_in_them(db: Database) -> None:
    first, _ = await conversation(db, "One.")
    second, _ = await conversation(db, "Two.")
    runs = [await run_all(db, first), await run_all(db, second, is_over=False)]
    found = await db.control.runs(owner=ANNA, limit=5)
    assert [run.run_id for run in found] == [runs[1], runs[0]]
    assert await db.control.runs(owner=ANNA, limit=1, offset=1) == found[1:]
    assert await db.control.runs(owner=BEN, limit=5) == []
    assert await db.control.run(runs[0], owner=ANNA) == found[1]
    assert await db.control.run(runs[0], owner=BEN) is None
    records = await db.control.run_records(first, runs[0], owner=ANNA)
    types = ["run.started", "model.asked", "model.answered", "run.finished"]
    assert [record.event.type for record in records] == types
    ends = await db.control.run_ends(first, runs[0], owner=ANNA)
    assert [record.event.type for record in ends] == [types[0], types[-1]]
    assert await db.control.run_ends(first, runs[0], owner=BEN) == []
