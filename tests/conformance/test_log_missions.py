"""The rows that follow from the log, on every database."""

from datetime import UTC, datetime, timedelta

import pytest

from open_agent.core.errors import Invalid, NotFound
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.store.base import Database
from open_agent.store.paging import MissionFilter
from tests.conformance.making import (
    ANNA,
    BEN,
    answered,
    asked,
    created,
    finished,
    message,
    new_mission,
    new_run,
    open_one,
    started,
    waiting,
)


async def test_a_mission_row_follows_its_log(db: Database) -> None:
    mission_id, first, run_id = new_mission(), message(), new_run()
    await open_one(db, mission_id=mission_id, first=first)

    async def state() -> tuple[RunState, str | None, int]:
        mission = await db.missions.get(mission_id, owner=ANNA)
        return mission.run_state, mission.reason, mission.steps

    assert await state() == (RunState.QUEUED, None, 0)
    until = datetime(2030, 1, 1, tzinfo=UTC)
    for known, events, expected in (
        (2, [started(first, root=run_id)], (RunState.RUNNING, None, 0)),
        (3, [asked()], (RunState.RUNNING, None, 0)),
        (4, [answered(cost=7)], (RunState.RUNNING, None, 1)),
        (5, [waiting(until)], (RunState.WAITING, "model.retry", 1)),
        (6, [asked(step=2)], (RunState.RUNNING, None, 1)),
        (7, [answered(cost=5, step=2)], (RunState.RUNNING, None, 2)),
        (8, [finished()], (RunState.FINISHED, "done", 1)),
    ):
        await db.log.append(mission_id, 0, events, run_id=run_id, known_seq=known)
        assert await state() == expected

    mission = await db.missions.get(mission_id, owner=ANNA)
    assert mission.outcome is Outcome.SUCCEEDED
    assert mission.result == "Done."
    assert mission.run_id == run_id
    assert mission.model == "test/model-1"
    assert mission.spent_microdollars == 12
    assert mission.usage == Usage(
        input_tokens=20, cached_tokens=8, output_tokens=10, reasoning_tokens=2
    )
    assert mission.last_seq == 9
    assert mission.updated_at >= mission.created_at
    assert mission.created_at.tzinfo is UTC


async def test_a_mission_is_shown_to_its_owner_alone(db: Database) -> None:
    mission = (await open_one(db, owner=ANNA)).mission

    assert await db.missions.get(mission.id, owner=ANNA) == mission
    assert await db.missions.get_for_system(mission.id) == mission
    with pytest.raises(NotFound) as refused:
        await db.missions.get(mission.id, owner=BEN)
    assert refused.value.code == "mission.not_found"
    with pytest.raises(NotFound):
        await db.missions.get_for_system(new_mission())
    assert (await db.missions.page(owner=BEN)).items == ()
    assert await db.missions.totals(owner=BEN) == []


async def test_pages_of_missions_are_newest_first_and_join_without_a_gap(db: Database) -> None:
    ids = [(await open_one(db)).mission.id for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    sizes: list[int] = []
    while True:
        page = await db.missions.page(owner=ANNA, after=cursor, limit=3)
        seen += [mission.id for mission in page.items]
        sizes.append(len(page.items))
        cursor = page.next
        if cursor is None:
            break
        await open_one(db)

    assert seen == ids[::-1]
    assert sizes == [3, 3, 1]


async def test_a_page_can_be_of_one_kind(db: Database) -> None:
    task = (await open_one(db, kind=MissionKind.TASK)).mission
    mission = (await open_one(db, kind=MissionKind.MISSION)).mission

    only = MissionFilter(kinds=(MissionKind.TASK,))
    assert (await db.missions.page(owner=ANNA)).items == (mission, task)
    assert (await db.missions.page(owner=ANNA, where=only)).items == (task,)


@pytest.mark.parametrize("cursor", ["", "nonsense", "1", ".", "-1.x", "9" * 30 + ".x", "١.x"])
async def test_a_cursor_that_is_not_ours_is_refused(db: Database, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        await db.missions.page(owner=ANNA, after=cursor)

    assert refused.value.code == "cursor.invalid"


async def test_totals_count_missions_by_state_and_outcome(db: Database) -> None:
    await open_one(db)
    await db.log.open_mission(
        new_mission(), created(kind=MissionKind.MISSION), None, key=None, digest=""
    )
    for outcome in (Outcome.SUCCEEDED, Outcome.SUCCEEDED, Outcome.FAILED):
        first, run_id = message(), new_run()
        mission = (await open_one(db, first=first)).mission
        events = [started(first, root=run_id), asked(), answered(cost=5), finished(outcome)]
        await db.log.append(mission.id, 0, events, run_id=run_id, known_seq=2)

    totals = await db.missions.totals(owner=ANNA, kind=MissionKind.TASK)
    assert {(t.run_state, t.outcome): (t.count, t.spent_microdollars) for t in totals} == {
        (RunState.QUEUED, None): (1, 0),
        (RunState.FINISHED, Outcome.SUCCEEDED): (2, 10),
        (RunState.FINISHED, Outcome.FAILED): (1, 5),
    }
    assert sum(t.count for t in await db.missions.totals(owner=ANNA)) == 5


async def test_text_that_no_database_can_hold_is_neutralised_in_rows(db: Database) -> None:
    first, run_id = message(), new_run()
    mission = (await open_one(db, first=first, title="a\x00b", workspace="/w/\udcff")).mission
    result = "\x00\ud800" + "é" * 100_000
    events = [started(first, root=run_id), finished(result=result)]
    await db.log.append(mission.id, 0, events, run_id=run_id, known_seq=2)

    mission = await db.missions.get(mission.id, owner=ANNA)
    assert mission.title == "a\ufffdb"
    assert mission.workspace == "/w/?"
    assert mission.result is not None
    assert mission.result.startswith("\ufffd?é")
    assert 64 * 1024 - 4 < len(mission.result.encode()) <= 64 * 1024


async def test_times_keep_their_microseconds(db: Database) -> None:
    mission = (await open_one(db)).mission
    until = datetime(2031, 2, 3, 4, 5, 6, 789_013, tzinfo=UTC) + timedelta(microseconds=1)
    await db.log.append(mission.id, 0, [waiting(until)], run_id=None, known_seq=2)

    mission = await db.missions.get(mission.id, owner=ANNA)
    (record,) = await db.log.read(mission.id, after=2)
    assert mission.wake_at == until
    assert mission.updated_at == record.at
