"""What a run asks people: the first answer counts, and only while it is asked."""

from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import CallId, MissionId, new_uuid
from open_agent.core.run import RunState
from open_agent.events.log import Appended
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    BEN,
    called,
    finished,
    message,
    new_run,
    open_one,
    returned,
    started,
    waiting,
)

UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
UNMOVED = 10**9


def requested(call_id: str = "call-1") -> AnswerRequested:
    return AnswerRequested(
        call_id=CallId(call_id),
        name="ui_optionList",
        kind="input",
        arguments={},
        until=UNTIL,
        default="red",
    )


async def answer(
    db: Database,
    mission_id: MissionId,
    what: Any = "blue",
    *,
    call_id: str = "call-1",
    key: str | None = None,
) -> Appended:
    event = AnswerGiven(call_id=CallId(call_id), answer=what, by=ANNA)
    return await db.log.append_external(mission_id, event, key=key or new_uuid(), owner=ANNA)


async def asked_people(db: Database) -> MissionId:
    """A mission whose run waits for an answer."""
    first, run_id = message(), new_run()
    mission = (await open_one(db, first=first)).mission
    events = [started(first, root=run_id), called(), requested(), waiting(UNTIL)]
    await db.log.append(mission.id, 0, events, run_id=run_id, known_seq=2)
    return mission.id


async def test_a_question_is_shown_until_it_is_answered(db: Database) -> None:
    mission_id = await asked_people(db)
    mission = await db.missions.get(mission_id, owner=ANNA)
    (question,) = mission.questions
    assert (question.call_id, question.name, question.until) == ("call-1", "ui_optionList", UNTIL)
    assert await db.leases.claim_next("w", per_owner_limit=9, limit=9) == []

    await answer(db, mission_id, {"picked": ["blue", None]})
    mission = await db.missions.get(mission_id, owner=ANNA)
    assert mission.questions == ()
    assert mission.run_state is RunState.WAITING
    claimed = await db.leases.claim_next("w", per_owner_limit=9, limit=9)
    assert [claim.mission_id for claim in claimed] == [mission_id]
    record = (await db.log.read(mission_id))[-1]
    assert isinstance(record.event, AnswerGiven)
    assert record.event.answer == {"picked": ["blue", None]}


async def test_of_many_answers_the_first_counts(db: Database) -> None:
    mission_id = await asked_people(db)
    won: list[int] = []
    late: list[str] = []

    async def send(number: int) -> None:
        try:
            await answer(db, mission_id, number)
        except Conflict as refused:
            late.append(refused.code)
        else:
            won.append(number)

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(send, number)

    given = [r.event for r in await db.log.read(mission_id) if isinstance(r.event, AnswerGiven)]
    assert [event.answer for event in given] == won
    assert (len(won), late) == (1, ["answer.late"] * 19)


async def test_an_answer_that_is_sent_twice_counts_once(db: Database) -> None:
    mission_id = await asked_people(db)
    first = await answer(db, mission_id, key="k")
    again = await answer(db, mission_id, key="k")

    assert (again.records, again.is_duplicate) == (first.records, True)


async def test_an_answer_after_the_deadline_is_late(db: Database) -> None:
    mission_id = await asked_people(db)
    last = (await db.missions.get(mission_id, owner=ANNA)).last_seq
    run_id = (await db.missions.get(mission_id, owner=ANNA)).run_id
    timed_out = AnswerDefaulted(call_id=CallId("call-1"), decided_on=last)
    await db.log.append(mission_id, 0, [timed_out], run_id=run_id, known_seq=last)

    with pytest.raises(Conflict) as refused:
        await answer(db, mission_id)
    assert refused.value.code == "answer.late"


async def test_a_default_is_not_taken_when_an_answer_came_first(db: Database) -> None:
    mission_id = await asked_people(db)
    mission = await db.missions.get(mission_id, owner=ANNA)
    given = await answer(db, mission_id)
    timed_out = AnswerDefaulted(call_id=CallId("call-1"), decided_on=mission.last_seq)
    done = await db.log.append(
        mission_id, 0, [timed_out], run_id=mission.run_id, known_seq=mission.last_seq
    )

    assert (done.is_refused, done.foreign) == (True, given.records)


async def test_what_nobody_asked_cannot_be_answered(db: Database) -> None:
    mission_id = await asked_people(db)
    with pytest.raises(NotFound) as refused:
        await answer(db, mission_id, call_id="call-2")
    assert refused.value.code == "answer.unknown"

    mission = await db.missions.get(mission_id, owner=ANNA)
    events = [returned(), finished()]
    await db.log.append(mission_id, 0, events, run_id=mission.run_id, known_seq=UNMOVED)
    with pytest.raises(NotFound) as refused:
        await answer(db, mission_id)
    assert refused.value.code == "answer.unknown"


async def test_a_question_is_answered_by_its_owner_alone(db: Database) -> None:
    mission_id = await asked_people(db)
    event = AnswerGiven(call_id=CallId("call-1"), answer="blue", by=BEN)

    with pytest.raises(NotFound) as refused:
        await db.log.append_external(mission_id, event, key="k", owner=BEN)
    assert refused.value.code == "mission.not_found"
