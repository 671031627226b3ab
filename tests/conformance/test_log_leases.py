"""Who may work on what, on every database."""

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from open_agent.core.errors import NotFound
from open_agent.core.ids import MissionId, UserId
from open_agent.core.run import RunState
from open_agent.events.log import LeaseLost
from open_agent.events.model.cancel import CancelRequested
from open_agent.store.base import Database
from open_agent.store.leases import Claimed, Held
from tests.conformance.making import (
    ANNA,
    BEN,
    claim,
    created,
    finished,
    message,
    new_mission,
    note,
    open_one,
    start_run,
    waiting,
)

UNMOVED = 10**9


async def claim_all(
    db: Database, holder: str = "w", per_owner: int = 99, limit: int = 99
) -> list[Claimed]:
    return list(await db.leases.claim_next(holder, per_owner_limit=per_owner, limit=limit))


async def park(db: Database, mission_id: MissionId, until: datetime) -> None:
    """Start a run and let it wait."""
    epoch = await claim(db, mission_id)
    run_id = await start_run(db, mission_id, epoch)
    await db.log.append(mission_id, epoch, [waiting(until)], run_id=run_id, known_seq=UNMOVED)
    await db.leases.release(mission_id, epoch)


async def test_each_claim_raises_the_epoch(db: Database) -> None:
    mission = (await open_one(db)).mission
    epochs: list[int] = []
    for holder in "abc":
        epochs.append(await claim(db, mission.id, holder))
        await db.leases.release(mission.id, epochs[-1])

    assert epochs == [1, 2, 3]


async def test_a_held_mission_cannot_be_claimed(db: Database) -> None:
    mission = (await open_one(db)).mission
    await claim(db, mission.id, "a")

    assert await db.leases.claim(mission.id, "b") is None
    assert await claim_all(db, "b") == []


async def test_a_mission_that_does_not_exist_cannot_be_claimed(db: Database) -> None:
    with pytest.raises(NotFound) as refused:
        await db.leases.claim(new_mission(), "a")

    assert refused.value.code == "mission.not_found"


async def test_a_stale_release_does_nothing(db: Database) -> None:
    mission = (await open_one(db)).mission
    old = await claim(db, mission.id, "a")
    await db.leases.release(mission.id, old)
    await claim(db, mission.id, "b")
    await db.leases.release(mission.id, old)

    assert await db.leases.claim(mission.id, "c") is None


async def test_two_claimers_never_both_win(db: Database) -> None:
    for _ in range(20):
        await open_one(db)
    won: list[Claimed] = []

    async def grab(holder: str) -> None:
        while got := await claim_all(db, holder, limit=3):
            won.extend(got)

    async with anyio.create_task_group() as group:
        for holder in "abcd":
            group.start_soon(grab, holder)

    assert len(won) == 20
    assert len({each.mission_id for each in won}) == 20
    assert {each.epoch for each in won} == {1}


async def test_of_many_claims_of_one_mission_one_wins(db: Database) -> None:
    mission = (await open_one(db)).mission
    epochs: list[int | None] = []

    async def grab(holder: str) -> None:
        epochs.append(await db.leases.claim(mission.id, holder))

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(grab, str(number))

    assert sorted(epochs, key=str) == [1] + [None] * 9


async def test_the_limit_of_an_owner_counts_what_is_held(db: Database) -> None:
    for _ in range(5):
        await open_one(db, owner=ANNA)

    assert len(await claim_all(db, "a", per_owner=2)) == 2
    assert await claim_all(db, "b", per_owner=2) == []
    (third,) = await claim_all(db, "b", per_owner=3)
    await db.leases.release(third.mission_id, third.epoch)
    assert len(await claim_all(db, "c", per_owner=4)) == 2


async def test_owners_are_served_in_turn_and_each_ones_oldest_first(db: Database) -> None:
    anna = [(await open_one(db, owner=ANNA)).mission.id for _ in range(4)]
    ben = [(await open_one(db, owner=BEN)).mission.id for _ in range(2)]

    served = await claim_all(db, limit=5)
    assert [each.mission_id for each in served] == [anna[0], ben[0], anna[1], ben[1], anna[2]]
    assert [each.owner_id for each in served] == [ANNA, BEN, ANNA, BEN, ANNA]


async def test_who_has_the_fewest_running_comes_first(db: Database) -> None:
    for _ in range(3):
        await open_one(db, owner=ANNA)
    await claim_all(db, limit=2)
    ben = (await open_one(db, owner=BEN)).mission.id

    (first,) = await claim_all(db, limit=1)
    assert first.mission_id == ben


async def test_the_load_of_many_owners_stays_even(db: Database) -> None:
    owners = [UserId(f"owner-{n}") for n in range(5)]
    for number, owner in enumerate(owners):
        for _ in range(2 + number):
            await open_one(db, owner=owner)

    served = await claim_all(db, per_owner=3, limit=12)
    loads = sorted(sum(each.owner_id == owner for each in served) for owner in owners)
    assert loads == [2, 2, 2, 3, 3]


async def test_only_missions_with_something_to_do_are_claimed(db: Database) -> None:
    idle = await db.log.open_mission(new_mission(), created(), None, key=None, digest="")
    done = (await open_one(db)).mission
    epoch = await claim(db, done.id)
    run_id = await start_run(db, done.id, epoch)
    await db.log.append(done.id, epoch, [finished()], run_id=run_id, known_seq=UNMOVED)
    await db.leases.release(done.id, epoch)

    assert idle.mission.run_state is RunState.IDLE
    # Its first message was never taken by a run, so it waits for the next.
    assert [each.mission_id for each in await claim_all(db)] == [done.id]


async def test_a_running_mission_without_its_holder_is_claimed(db: Database) -> None:
    mission = (await open_one(db)).mission
    epoch = await claim(db, mission.id, "a")
    await start_run(db, mission.id, epoch)
    await db.leases.release(mission.id, epoch)

    (again,) = await claim_all(db, "b")
    assert again == Claimed(mission.id, ANNA, epoch + 1)
    with pytest.raises(LeaseLost):
        await db.log.append(mission.id, epoch, [note()], run_id=None, known_seq=UNMOVED)


async def test_a_waiting_mission_is_claimed_when_its_time_has_come(db: Database) -> None:
    later, now = [(await open_one(db)).mission.id for _ in range(2)]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await park(db, later, tomorrow)
    await park(db, now, datetime.now(UTC) - timedelta(seconds=5))

    assert [each.mission_id for each in await claim_all(db)] == [now]
    assert await db.leases.next_wake() == tomorrow


async def test_speaking_to_a_waiting_mission_wakes_it(db: Database) -> None:
    spoken_to, cancelled, left_alone = [(await open_one(db)).mission.id for _ in range(3)]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for mission_id in (spoken_to, cancelled, left_alone):
        await park(db, mission_id, tomorrow)
    await db.log.append_external(spoken_to, message(), key="k", owner=ANNA)
    await db.log.append_external(cancelled, CancelRequested(by=ANNA), key="k", owner=ANNA)

    assert {each.mission_id for each in await claim_all(db)} == {spoken_to, cancelled}


async def test_nothing_waits_when_nothing_is_parked(db: Database) -> None:
    await open_one(db)

    assert await db.leases.next_wake() is None


async def test_a_held_mission_is_not_waited_for(db: Database) -> None:
    mission = (await open_one(db)).mission
    await park(db, mission.id, datetime.now(UTC) + timedelta(days=1))
    await claim(db, mission.id)

    assert await db.leases.next_wake() is None


async def test_a_heartbeat_says_what_is_still_held_and_how_far_it_is(db: Database) -> None:
    first, second = [(await open_one(db)).mission.id for _ in range(2)]
    epoch = await claim(db, first, "a")
    await claim(db, second, "b")
    assert await db.leases.heartbeat("a") == [Held(first, epoch, 2)]
    await db.log.append_external(first, message(), key="k", owner=ANNA)

    assert await db.leases.heartbeat("a") == [Held(first, epoch, 3)]
    await db.leases.release(first, epoch)
    assert await db.leases.heartbeat("a") == []


async def test_unfinished_missions_are_listed_longest_waiting_first(db: Database) -> None:
    queued, parked, running = [(await open_one(db)).mission.id for _ in range(3)]
    await db.log.open_mission(new_mission(), created(), None, key=None, digest="")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await park(db, parked, tomorrow)
    await start_run(db, running, await claim(db, running))

    assert [(u.mission_id, u.run_state, u.wake_at) for u in await db.leases.unfinished()] == [
        (queued, RunState.QUEUED, None),
        (running, RunState.RUNNING, None),
        (parked, RunState.WAITING, tomorrow),
    ]


async def test_missions_of_other_hosts_are_left_to_them(db: Database) -> None:
    here = (await open_one(db, host_id="here")).mission.id
    await open_one(db, host_id="there")

    claimed = await db.leases.claim_next("w", per_owner_limit=9, limit=9, host_id="here")
    assert [each.mission_id for each in claimed] == [here]
