"""The rules of appending, on every database."""

import asyncio
from typing import Any, cast

import anyio
import pytest

from open_agent.core.errors import Conflict, Invalid, NotFound
from open_agent.core.ids import MissionId, UserId
from open_agent.events.log import Appended, EncodedRecord, LeaseLost, Opened
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    BEN,
    asked,
    called,
    claim,
    compacted,
    created,
    finished,
    message,
    new_mission,
    new_run,
    note,
    open_one,
    start_run,
    waiting,
)

DECIDED: list[Any] = ["asked", "waiting", "finished"]


def decided(which: str, at: Any) -> Any:
    return {"asked": asked(), "waiting": waiting(at), "finished": finished()}[which]


async def test_a_new_mission_begins_its_log_with_what_opened_it(db: Database) -> None:
    mission_id, first = new_mission(), message()
    opened = await db.log.open_mission(mission_id, created(), first, key="k", digest="d")

    assert opened.is_new
    assert [record.seq for record in opened.records] == [1, 2]
    assert [record.event for record in opened.records] == [created(), first]
    assert await db.log.read(mission_id) == list(opened.records)
    assert opened.mission == await db.missions.get(mission_id, owner=ANNA)


async def test_records_are_read_back_as_they_were_appended(db: Database) -> None:
    mission = (await open_one(db)).mission
    run_id = new_run()
    done = await db.log.append(
        mission.id, 0, [note("ä \x00 \u2028 😀"), called()], run_id=run_id, known_seq=2
    )

    assert [record.run_id for record in done.records] == [run_id, run_id]
    assert await db.log.read(mission.id, after=2) == list(done.records)
    encoded = await db.log.read_encoded(mission.id, after=2)
    assert [Record.model_validate_json(e.json) for e in encoded] == list(done.records)
    assert [(e.seq, e.owner_seq, e.type) for e in encoded] == [
        (r.seq, r.owner_seq, r.event.type) for r in done.records
    ]


async def test_seq_is_gapless_whoever_appends_at_once(db: Database) -> None:
    missions = [(await open_one(db)).mission.id for _ in range(4)]

    async def work(mission_id: MissionId) -> None:
        for _ in range(10):
            await db.log.append(mission_id, 0, [note(), note()], run_id=None, known_seq=0)

    async def talk(mission_id: MissionId, number: int) -> None:
        for i in range(10):
            key = f"{number}.{i}"
            await db.log.append_external(mission_id, message(), key=key, owner=ANNA)

    async with anyio.create_task_group() as group:
        for mission_id in missions:
            group.start_soon(work, mission_id)
            group.start_soon(talk, mission_id, 1)
            group.start_soon(talk, mission_id, 2)

    for mission_id in missions:
        seqs = [record.seq for record in await db.log.read(mission_id)]
        assert seqs == list(range(1, 2 + 20 + 20 + 1))


async def test_owner_seq_is_exact_within_each_owner(db: Database) -> None:
    missions: dict[UserId, list[MissionId]] = {ANNA: [], BEN: []}
    for owner, ids in missions.items():
        ids.extend([(await open_one(db, owner=owner)).mission.id for _ in range(3)])

    async def work(mission_id: MissionId) -> None:
        for _ in range(10):
            await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=0)

    async with anyio.create_task_group() as group:
        for ids in missions.values():
            for mission_id in ids:
                group.start_soon(work, mission_id)

    for ids in missions.values():
        numbers = [r.owner_seq for id_ in ids for r in await db.log.read(id_)]
        assert sorted(numbers) == list(range(1, 3 * 12 + 1))


async def test_owner_seq_follows_the_order_of_commits(db: Database) -> None:
    told: list[EncodedRecord] = []
    db.log.on_commit(lambda owner, records: told.extend(records))
    missions = [(await open_one(db)).mission.id for _ in range(5)]

    async def work(mission_id: MissionId) -> None:
        for _ in range(5):
            await db.log.append(mission_id, 0, [note()], run_id=None, known_seq=0)

    async with anyio.create_task_group() as group:
        for mission_id in missions:
            group.start_soon(work, mission_id)

    assert [record.owner_seq for record in told] == list(range(1, 5 * 2 + 25 + 1))


async def test_an_old_epoch_cannot_append(db: Database) -> None:
    mission = (await open_one(db)).mission
    old = await claim(db, mission.id, "first")
    await db.leases.release(mission.id, old)
    new = await claim(db, mission.id, "second")

    with pytest.raises(LeaseLost):
        await db.log.append(mission.id, old, [note()], run_id=None, known_seq=2)
    done = await db.log.append(mission.id, new, [note()], run_id=None, known_seq=2)

    assert [record.seq for record in done.records] == [3]


async def test_a_mission_that_does_not_exist_cannot_be_appended_to(db: Database) -> None:
    # It may have been deleted: whoever worked on it holds it no longer.
    with pytest.raises(LeaseLost):
        await db.log.append(new_mission(), 0, [note()], run_id=None, known_seq=0)
    with pytest.raises(NotFound) as refused:
        await db.log.append_external(new_mission(), message(), key="k", owner=ANNA)

    assert refused.value.code == "mission.not_found"


async def test_an_append_returns_what_others_appended_before_it(db: Database) -> None:
    mission = (await open_one(db)).mission
    foreign = await db.log.append_external(mission.id, message("Wait."), key="k", owner=ANNA)
    done = await db.log.append(mission.id, 0, [called()], run_id=None, known_seq=2)

    assert [record.seq for record in done.records] == [4]
    assert done.foreign == foreign.records
    assert not done.is_refused


@pytest.mark.parametrize("which", DECIDED)
async def test_a_decision_is_refused_when_the_log_has_moved(db: Database, which: str) -> None:
    opened = await open_one(db)
    mission, at = opened.mission, opened.records[0].at
    foreign = await db.log.append_external(mission.id, message("Wait."), key="k", owner=ANNA)
    events = [note(), decided(which, at)]
    refused = await db.log.append(mission.id, 0, events, run_id=None, known_seq=2)

    assert refused == Appended((), foreign.records)
    assert refused.is_refused
    assert len(await db.log.read(mission.id)) == 3
    again = await db.log.append(mission.id, 0, events, run_id=None, known_seq=3)
    assert [record.seq for record in again.records] == [4, 5]


async def test_of_many_decisions_on_the_same_state_one_stands(db: Database) -> None:
    mission = (await open_one(db)).mission
    results: list[Appended] = []

    async def decide() -> None:
        done = await db.log.append(mission.id, 0, [asked()], run_id=None, known_seq=2)
        results.append(done)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(decide)

    assert sorted(len(done.records) for done in results) == [0] * 9 + [1]
    (stood,) = [done.records for done in results if done.records]
    assert {done.foreign for done in results if done.is_refused} == {stood}


async def test_opening_twice_with_one_key_opens_once(db: Database) -> None:
    first = message()
    opened = await db.log.open_mission(new_mission(), created(), first, key="k", digest="d")
    again = await db.log.open_mission(new_mission(), created(), message(), key="k", digest="d")

    assert again == Opened(opened.mission, opened.records, is_new=False)
    assert len((await db.missions.page(owner=ANNA)).items) == 1


async def test_opening_at_the_same_time_with_one_key_opens_once(db: Database) -> None:
    opened: list[Opened] = []

    async def submit() -> None:
        opened.append(
            await db.log.open_mission(new_mission(), created(), message(), key="k", digest="d")
        )

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(submit)

    assert sorted(each.is_new for each in opened) == [False] * 9 + [True]
    assert len({each.mission.id for each in opened}) == 1
    assert len({each.records for each in opened}) == 1


async def test_a_key_belongs_to_its_owner(db: Database) -> None:
    for owner in (ANNA, BEN):
        opened = await db.log.open_mission(new_mission(), created(owner), None, key="k", digest="")
        assert opened.is_new


async def test_a_key_cannot_open_something_else(db: Database) -> None:
    opened = await db.log.open_mission(new_mission(), created(), None, key="k", digest="d")

    with pytest.raises(Conflict) as refused:
        await db.log.open_mission(new_mission(), created(), None, key="k", digest="other")

    assert refused.value.code == "idempotency.key_reused"
    assert refused.value.details == {"mission_id": opened.mission.id}


async def test_an_id_is_used_once(db: Database) -> None:
    mission = (await open_one(db)).mission

    with pytest.raises(Conflict) as refused:
        await open_one(db, mission_id=mission.id)

    assert refused.value.code == "mission.exists"


async def test_an_external_event_is_appended_once_per_key(db: Database) -> None:
    mission, said = (await open_one(db)).mission, message("Hello.")
    first = await db.log.append_external(mission.id, said, key="k", owner=ANNA)
    again = await db.log.append_external(mission.id, message("Hello!"), key="k", owner=ANNA)

    assert not first.is_duplicate
    assert again == Appended(first.records, is_duplicate=True)
    assert len(await db.log.read(mission.id)) == 3


async def test_an_external_event_sent_many_times_at_once_is_appended_once(db: Database) -> None:
    mission = (await open_one(db)).mission
    results: list[Appended] = []

    async def send() -> None:
        cancel = CancelRequested(by=ANNA)
        results.append(await db.log.append_external(mission.id, cancel, key="k", owner=ANNA))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(send)

    assert sorted(done.is_duplicate for done in results) == [False] + [True] * 9
    assert {done.records[0].seq for done in results} == {3}


async def test_an_external_event_needs_the_owner(db: Database) -> None:
    mission = (await open_one(db)).mission

    for mission_id, owner in ((mission.id, BEN), (new_mission(), ANNA)):
        with pytest.raises(NotFound) as refused:
            await db.log.append_external(mission_id, message(), key="k", owner=owner)
        assert refused.value.code == "mission.not_found"


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "line\n", "\ud800"])
async def test_a_key_that_cannot_be_stored_is_refused(db: Database, key: str) -> None:
    mission = (await open_one(db)).mission

    with pytest.raises(Invalid) as refused:
        await db.log.append_external(mission.id, message(), key=key, owner=ANNA)

    assert refused.value.code == "idempotency.key_invalid"


async def test_a_refused_append_leaves_its_neighbours_alone(db: Database) -> None:
    good, bad = [(await open_one(db)).mission.id for _ in range(2)]
    await claim(db, bad)
    lost: list[LeaseLost] = []

    async def append(mission_id: MissionId) -> None:
        try:
            await db.log.append(mission_id, 0, [note(), note()], run_id=None, known_seq=0)
        except LeaseLost as error:
            lost.append(error)

    async with anyio.create_task_group() as group:
        for mission_id in (good, bad, good, bad, good):
            group.start_soon(append, mission_id)

    assert len(lost) == 2
    assert [r.seq for r in await db.log.read(good)] == list(range(1, 9))
    assert len(await db.log.read(bad)) == 2
    mine = [r.owner_seq for id_ in (good, bad) for r in await db.log.read(id_)]
    assert sorted(mine) == list(range(1, 11))


async def test_an_event_that_no_database_can_hold_fails_alone(db: Database) -> None:
    mission = (await open_one(db)).mission
    results: list[str] = []

    async def append(content: str) -> None:
        try:
            await db.log.append(mission.id, 0, [note(content)], run_id=None, known_seq=0)
            results.append("ok")
        except Invalid as error:
            results.append(error.code)

    async with anyio.create_task_group() as group:
        for content in ("a", "x" * 300_000, "b"):
            group.start_soon(append, content)

    assert sorted(results) == ["event.too_large", "ok", "ok"]


async def test_an_unknown_event_comes_back_as_it_was(db: Database) -> None:
    mission = (await open_one(db)).mission
    unknown = UnknownEvent.model_validate({"type": "moon.landed", "crew": ["A", "B"], "n": 3})
    done = await db.log.append(mission.id, 0, [cast(Any, unknown)], run_id=None, known_seq=2)

    assert done.records[0].event == unknown
    (record,) = await db.log.read(mission.id, after=2)
    assert isinstance(record.event, UnknownEvent)
    assert record.event.raw() == unknown.raw()
    assert (await db.missions.get(mission.id, owner=ANNA)).last_seq == 3


async def test_pages_are_cut_where_they_were_asked_to_be(db: Database) -> None:
    mission = (await open_one(db)).mission
    await db.log.append(mission.id, 0, [note(str(i)) for i in range(8)], run_id=None, known_seq=2)

    async def seqs(**window: Any) -> list[int]:
        records = await db.log.read(mission.id, **window)
        encoded = await db.log.read_encoded(mission.id, **window)
        assert [record.seq for record in records] == [e.seq for e in encoded]
        return [record.seq for record in records]

    assert await seqs() == list(range(1, 11))
    assert await seqs(after=3, limit=2) == [4, 5]
    assert await seqs(after=3, before=6) == [4, 5]
    assert await seqs(before=3) == [1, 2]
    assert await seqs(before=1) == []
    assert await seqs(after=10) == []
    assert await seqs(after=99) == []


async def test_only_the_owner_reads_as_owner(db: Database) -> None:
    mission = (await open_one(db)).mission

    assert len(await db.log.read(mission.id, owner=ANNA)) == 2
    assert await db.log.read(mission.id, owner=ANNA, after=2) == []
    for mission_id, owner in ((mission.id, BEN), (new_mission(), ANNA)):
        with pytest.raises(NotFound) as refused:
            await db.log.read(mission_id, owner=owner)
        assert refused.value.code == "mission.not_found"
    assert await db.log.read(new_mission()) == []


async def test_the_newest_compaction_is_found(db: Database) -> None:
    mission, other = [(await open_one(db)).mission for _ in range(2)]
    assert await db.log.last_compaction(mission.id) is None
    events = [note(), compacted(2), note(), compacted(4), note()]
    done = await db.log.append(mission.id, 0, events, run_id=None, known_seq=2)

    assert await db.log.last_compaction(mission.id) == done.records[3]
    assert await db.log.last_compaction(other.id) is None


async def test_listeners_are_told_of_every_record_once_and_in_order(db: Database) -> None:
    told: list[tuple[str, EncodedRecord]] = []
    db.log.on_commit(lambda owner, records: told.extend((owner, r) for r in records))
    missions = [(await open_one(db, owner=owner)).mission for owner in (ANNA, BEN)]

    async def work(mission_id: MissionId) -> None:
        for _ in range(10):
            await db.log.append(mission_id, 0, [note(), note()], run_id=None, known_seq=0)

    async with anyio.create_task_group() as group:
        for mission in missions:
            group.start_soon(work, mission.id)

    for mission in missions:
        mine = [record for owner, record in told if owner == mission.owner_id]
        assert mine == await db.log.read_encoded(mission.id)


async def test_a_record_is_readable_when_its_listener_hears_of_it(db: Database) -> None:
    mission = (await open_one(db)).mission
    heard = anyio.Event()
    db.log.on_commit(lambda owner, records: heard.set())

    async with anyio.create_task_group() as group:
        group.start_soon(start_run, db, mission.id, 0)
        with anyio.fail_after(5):
            await heard.wait()
        assert len(await db.log.read(mission.id)) == 3


async def test_a_listener_that_fails_costs_nobody_anything(db: Database) -> None:
    mission = (await open_one(db)).mission
    failures: list[str] = []
    told: list[EncodedRecord] = []

    def fail(owner: UserId, records: object) -> None:
        raise ValueError("a listener's bug")

    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(str(context["exception"]))
    )
    db.log.on_commit(fail)
    db.log.on_commit(lambda owner, records: told.extend(records))
    for seq in (3, 4):
        done = await db.log.append(mission.id, 0, [note()], run_id=None, known_seq=seq - 1)
        assert [record.seq for record in done.records] == [seq]

    assert [record.seq for record in told] == [3, 4]
    assert failures == ["a listener's bug"] * 2


async def test_what_was_refused_is_not_told(db: Database) -> None:
    mission = (await open_one(db)).mission
    told: list[EncodedRecord] = []
    db.log.on_commit(lambda owner, records: told.extend(records))
    await db.log.append_external(mission.id, message(), key="k", owner=ANNA)
    await db.log.append_external(mission.id, message(), key="k", owner=ANNA)
    await db.log.append(mission.id, 0, [finished()], run_id=None, known_seq=2)

    assert [record.seq for record in told] == [3]
