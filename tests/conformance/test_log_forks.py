"""Missions that begin as copies of others, and missions that are no more."""

from collections.abc import Sequence
from typing import Any

import pytest

from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import CallId, MissionId, RunId, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome, RunState, Usage
from open_agent.events.log import Copy, LeaseLost, Opened
from open_agent.events.model.mission import MissionDeleted, MissionSelected, Origin, Parent
from open_agent.events.model.union import UnknownEvent
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    BEN,
    answered,
    asked,
    claim,
    created,
    finished,
    message,
    new_mission,
    new_run,
    note,
    open_one,
    start_run,
    started,
)

UNMOVED = 10**9


async def worked(db: Database, *, budget: int = 100) -> tuple[MissionId, RunId]:
    """A mission whose run has spent nearly all it may, and goes on."""
    first = message("Do it.")
    mission_id = (await open_one(db, first=first, kind=MissionKind.MISSION)).mission.id
    epoch, run_id = await claim(db, mission_id), new_run()
    events = [
        started(first, root=run_id, budget=budget),
        asked(90),
        answered(90, text="Half of it."),
    ]
    await db.log.append(mission_id, epoch, events, run_id=run_id, known_seq=UNMOVED)
    return mission_id, run_id


async def fork(
    db: Database,
    other: MissionId,
    upto: int,
    *,
    closing: Sequence[Copy] = (),
    key: str | None = None,
    mission_id: MissionId | None = None,
) -> Opened:
    """A mission that has begun as another did."""
    records = [r for r in await db.log.read(other, owner=ANNA) if 1 < r.seq <= upto]
    copies = [
        Copy(r.event, r.run_id, r.at) for r in records if not isinstance(r.event, UnknownEvent)
    ]
    origin = Origin(mission_id=other, seq=upto, copies=len(copies))
    return await db.log.fork_mission(
        mission_id or new_mission(),
        created(kind=MissionKind.MISSION, forked_from=origin),
        [*copies, *closing],
        key=key,
        digest="d",
    )


async def test_a_fork_has_the_others_history_with_its_times(db: Database) -> None:
    other, _ = await worked(db)
    opened = await fork(db, other, 5, closing=[Copy(note("A copy."), None)])
    before, after = await db.log.read(other), await db.log.read(opened.mission.id)

    def what(records: Sequence[Any]) -> list[Any]:
        return [(r.seq, r.at, r.run_id, r.event) for r in records[1:5]]

    assert what(after) == what(before)
    assert [record.seq for record in after] == list(range(1, 7))
    assert after[0].at >= before[-1].at
    assert after[5].at >= before[-1].at
    assert opened.records == tuple(after)
    assert opened.mission == await db.missions.get(opened.mission.id, owner=ANNA)


async def test_the_copies_of_a_fork_cost_nothing(db: Database) -> None:
    other, run_id = await worked(db)
    before = (await db.upkeep.stored()).runs
    ended = Copy(finished(Outcome.CANCELLED), run_id)
    opened = await fork(db, other, 5, closing=[ended])

    assert (await db.upkeep.stored()).runs == before, "the other's run goes on as it was"
    mission = opened.mission
    assert (mission.spent_microdollars, mission.usage) == (0, Usage())
    assert (mission.run_state, mission.outcome) == (RunState.FINISHED, Outcome.CANCELLED)
    epoch = await claim(db, mission.id)
    mine = await start_run(db, mission.id, epoch, budget=100)
    await db.log.append(mission.id, epoch, [asked(60)], run_id=mine, known_seq=UNMOVED)
    await db.log.append(mission.id, epoch, [answered(50)], run_id=mine, known_seq=UNMOVED)
    assert (await db.missions.get(mission.id, owner=ANNA)).spent_microdollars == 50
    assert (await db.missions.get(other, owner=ANNA)).spent_microdollars == 90
    assert await db.upkeep.rebuilt() == await db.upkeep.stored()


async def test_messages_of_a_fork_can_be_used_in_both(db: Database) -> None:
    said = message("Wait for it.")
    other = (await open_one(db, first=said, kind=MissionKind.MISSION)).mission.id
    copy = (await fork(db, other, 2)).mission
    assert (copy.queued, copy.messages, copy.run_state) == (1, 1, RunState.QUEUED)
    for mission_id in (copy.id, other):
        run_id = new_run()
        begin = [started(said, root=run_id)]
        await db.log.append(mission_id, 0, begin, run_id=run_id, known_seq=2)
        assert (await db.missions.get(mission_id, owner=ANNA)).queued == 0
    assert await db.upkeep.rebuilt() == await db.upkeep.stored()


async def test_forking_twice_with_one_key_is_forking_once(db: Database) -> None:
    other, _ = await worked(db)
    first = await fork(db, other, 5, key="fork")
    again = await fork(db, other, 5, key="fork")

    assert (again.mission, again.is_new) == (first.mission, False)
    assert again.records == first.records
    with pytest.raises(Conflict) as refused:
        await db.log.open_mission(new_mission(), created(), None, key="fork", digest="other")
    assert refused.value.code == "idempotency.key_reused"


async def family(db: Database) -> tuple[MissionId, MissionId]:
    """A mission at rest, and one that it delegated."""
    first = message()
    parent = (await open_one(db, first=first, kind=MissionKind.MISSION)).mission.id
    epoch = await claim(db, parent)
    root = await start_run(db, parent, epoch, budget=100)
    by = Parent(mission_id=parent, run_id=root, call_id=CallId("call-1"), root_run_id=root)
    child = (await open_one(db, kind=MissionKind.CHILD, parent=by)).mission.id
    child_epoch = await claim(db, child)
    run_id = await start_run(db, child, child_epoch, root=root)
    events = [asked(30), answered(20), finished()]
    await db.log.append(child, child_epoch, events, run_id=run_id, known_seq=UNMOVED)
    await db.log.append(parent, epoch, [finished()], run_id=root, known_seq=UNMOVED)
    return parent, child


async def test_nothing_is_left_of_a_deleted_mission_but_that_it_was(db: Database) -> None:
    parent, child = await family(db)
    kept = (await open_one(db)).mission
    done = await db.log.delete_mission(parent, [child], by=ANNA, owner=ANNA)

    assert [r.mission_id for r in done.records] == [parent, child]
    assert [type(r.event) for r in done.records] == [MissionDeleted, MissionDeleted]
    stored = await db.upkeep.stored()
    assert stored.missions.keys() == {kept.id}
    assert stored.runs == {}
    assert stored.queues.keys() == {kept.id}
    for gone in (parent, child):
        assert [r.event.type for r in await db.log.read(gone)] == ["mission.deleted"]
        with pytest.raises(NotFound):
            await db.missions.get(gone, owner=ANNA)
        with pytest.raises(NotFound):
            await db.log.append_external(gone, message(), key="k", owner=ANNA)
        with pytest.raises(NotFound):
            await db.leases.claim(gone, "w")
        with pytest.raises(NotFound):
            await db.log.delete_mission(gone, [], by=ANNA, owner=ANNA)
    assert await db.upkeep.rebuilt() == stored
    assert {size.type for size in await db.upkeep.sizes() if size.mission_id == parent} == {
        "mission.deleted"
    }


async def test_deletion_is_told_on_the_owners_stream(db: Database) -> None:
    told: list[tuple[UserId, str, MissionId]] = []
    db.log.on_commit(
        lambda owner, records: told.extend((owner, r.type, r.mission_id) for r in records)
    )
    mission = (await open_one(db)).mission
    await db.log.delete_mission(mission.id, [], by=ANNA, owner=ANNA)

    assert told[-1] == (ANNA, "mission.deleted", mission.id)
    stream = await db.log.read_owned(ANNA)
    assert [(r.type, r.owner_seq) for r in stream] == [("mission.deleted", 3)]
    await open_one(db)
    assert [r.owner_seq for r in await db.log.read_owned(ANNA, after=3)] == [4, 5]


async def test_a_mission_with_a_run_is_not_deleted(db: Database) -> None:
    mission_id, _ = await worked(db)

    with pytest.raises(Conflict) as refused:
        await db.log.delete_mission(mission_id, [], by=ANNA, owner=ANNA)
    assert refused.value.code == "mission.running"
    parent, child = await family(db)
    await start_run(db, child, 1)
    with pytest.raises(Conflict):
        await db.log.delete_mission(parent, [child], by=ANNA, owner=ANNA)
    assert (await db.missions.get(parent, owner=ANNA)).last_seq == 4


async def test_what_was_delegated_is_deleted_with_the_whole_alone(db: Database) -> None:
    _, child = await family(db)

    with pytest.raises(Conflict) as refused:
        await db.log.delete_mission(child, [], by=ANNA, owner=ANNA)
    assert refused.value.code == "mission.delegated"


async def test_a_mission_is_deleted_by_its_owner_alone(db: Database) -> None:
    mission = (await open_one(db)).mission
    bens = (await open_one(db, owner=BEN)).mission

    with pytest.raises(NotFound):
        await db.log.delete_mission(mission.id, [], by=BEN, owner=BEN)
    await db.log.delete_mission(mission.id, [bens.id], by=ANNA, owner=ANNA)
    assert (await db.missions.get(bens.id, owner=BEN)).id == bens.id


async def test_an_old_holder_cannot_append_to_a_deleted_mission(db: Database) -> None:
    mission = (await open_one(db)).mission
    epoch = await claim(db, mission.id)
    await db.log.delete_mission(mission.id, [], by=ANNA, owner=ANNA)

    with pytest.raises(LeaseLost):
        await db.log.append(mission.id, epoch, [note()], run_id=None, known_seq=2)
    assert [held.mission_id for held in await db.leases.heartbeat("worker")] == []
    await db.leases.release(mission.id, epoch)


async def test_a_deleted_missions_key_makes_a_new_one(db: Database) -> None:
    first = await db.log.open_mission(new_mission(), created(), None, key="k", digest="d")
    await db.log.delete_mission(first.mission.id, [], by=ANNA, owner=ANNA)
    again = await db.log.open_mission(new_mission(), created(), None, key="k", digest="d")

    assert again.is_new
    assert again.mission.id != first.mission.id


async def test_a_deleted_missions_id_is_not_used_again(db: Database) -> None:
    mission = (await open_one(db)).mission
    await db.log.delete_mission(mission.id, [], by=ANNA, owner=ANNA)

    with pytest.raises(Conflict) as refused:
        await open_one(db, mission_id=mission.id)
    assert refused.value.code == "mission.exists"


async def test_the_last_mission_selected_is_the_current_one(db: Database) -> None:
    a, b = [(await open_one(db)).mission for _ in range(2)]
    bens = (await open_one(db, owner=BEN)).mission
    before = await db.missions.get(a.id, owner=ANNA)

    async def select(mission_id: MissionId, owner: UserId, key: str) -> None:
        event = MissionSelected(by=owner)
        await db.log.append_external(mission_id, event, key=key, owner=owner)

    async def current(owner: UserId) -> str | None:
        return (await db.upkeep.stored()).owners[owner].current_mission

    assert await current(ANNA) is None
    for mission, owner, key in ((a, ANNA, "1"), (bens, BEN, "1"), (b, ANNA, "1"), (a, ANNA, "2")):
        await select(mission.id, owner, key)
        assert await current(owner) == mission.id
    after = await db.missions.get(a.id, owner=ANNA)
    assert after.updated_at == before.updated_at, "looking at it is no change of it"
    await db.log.delete_mission(b.id, [], by=ANNA, owner=ANNA)
    assert await current(ANNA) == a.id
    done = await db.log.delete_mission(a.id, [], by=ANNA, owner=ANNA)
    assert isinstance(done.records[0].event, MissionDeleted)
    assert done.records[0].event.was_current
    assert (await current(ANNA), await current(BEN)) == (None, bens.id)
    assert await db.upkeep.rebuilt() == await db.upkeep.stored()


async def test_an_owners_records_come_in_one_order_over_all_missions(db: Database) -> None:
    a, b = [(await open_one(db)).mission.id for _ in range(2)]
    await open_one(db, owner=BEN)
    for number in range(6):
        await db.log.append_external((a, b)[number % 2], message(), key=f"{number}", owner=ANNA)
    whole = await db.log.read_owned(ANNA)
    pages = [
        record
        for after in range(0, 10, 3)
        for record in await db.log.read_owned(ANNA, after=after, limit=3)
    ]

    assert [r.owner_seq for r in whole] == list(range(1, 11))
    assert pages == whole
    assert [r.mission_id for r in whole[4:]] == [a, b] * 3
    assert await db.log.read_owned(ANNA, after=10) == []


async def test_a_mission_is_not_deleted_when_something_came_in_between(db: Database) -> None:
    mission = (await open_one(db)).mission
    await db.log.append_external(mission.id, message("Wait!"), key="k", owner=ANNA)

    with pytest.raises(Conflict) as refused:
        await db.log.delete_mission(mission.id, [], by=ANNA, owner=ANNA, known_seq=mission.last_seq)
    assert refused.value.code == "mission.changed"
    await db.log.delete_mission(mission.id, [], by=ANNA, owner=ANNA, known_seq=mission.last_seq + 1)
