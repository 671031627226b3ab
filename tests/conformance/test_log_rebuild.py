"""Rows follow from the log: rebuilt from it they are the same as live, on every database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from open_agent.core.ids import MissionId, RunId, UserId, new_uuid
from open_agent.core.run import Outcome
from open_agent.events.log import BudgetSpent, LeaseLost
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery
from open_agent.events.model.run import RunRecovered
from open_agent.store.base import Database
from tests.conformance.making import (
    answered,
    asked,
    called,
    claim,
    compacted,
    failed,
    finished,
    message,
    note,
    open_one,
    returned,
    start_run,
    started,
    waiting,
)

UNMOVED = 10**9


@dataclass
class Place:
    """One mission of a generated history."""

    mission_id: MissionId
    owner: UserId
    epoch: int = 0
    run_id: RunId | None = None


amounts = st.integers(0, 60)


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, Any]:
    """Which mission something happens to, and what."""
    where = draw(st.integers(0, 3))
    what = draw(
        st.one_of(
            st.tuples(st.just("say"), st.sampled_from(["queue", "steer", "interrupt"])),
            st.tuples(st.just("cancel"), st.none()),
            st.tuples(st.just("start"), st.tuples(st.integers(0, 3), st.integers(0, 100))),
            st.tuples(st.just("events"), st.lists(events(), min_size=1, max_size=4)),
            st.tuples(st.just("stale"), st.none()),
            st.tuples(st.just("claim"), st.none()),
        )
    )
    return where, what


def events() -> st.SearchStrategy[Any]:
    """What a holder may append."""
    until = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    return st.one_of(
        st.builds(asked, amounts),
        st.builds(answered, amounts),
        st.builds(failed, amounts),
        st.builds(waiting, until),
        st.builds(finished, st.sampled_from(Outcome), st.text(max_size=5)),
        st.builds(note, st.text(max_size=5)),
        st.sampled_from([called(), returned(), compacted(1), RunRecovered(epoch=1)]),
    )


async def play(db: Database, history: list[tuple[int, Any]]) -> list[Place]:
    """Let a history happen, refusals included."""
    owners = [UserId(new_uuid()) for _ in range(2)]
    places = [Place((await open_one(db, owner=o)).mission.id, o) for o in (*owners, *owners)]
    for where, (what, how) in history:
        place = places[where]
        try:
            await happen(db, places, place, what, how)
        except (BudgetSpent, LeaseLost):
            continue
    return places


async def happen(db: Database, places: list[Place], place: Place, what: str, how: Any) -> None:
    """One step, as whoever takes it would."""
    match what:
        case "say":
            delivery: Delivery = how
            said = message(owner=place.owner, delivery=delivery)
            await db.log.append_external(place.mission_id, said, key=new_uuid(), owner=place.owner)
        case "cancel":
            event = CancelRequested(by=place.owner)
            await db.log.append_external(place.mission_id, event, key=new_uuid(), owner=place.owner)
        case "start":
            await start(db, places, place, *how)
        case "events":
            await db.log.append(
                place.mission_id, place.epoch, how, run_id=place.run_id, known_seq=UNMOVED
            )
        case "stale":
            await db.log.append(
                place.mission_id, place.epoch, [finished()], run_id=place.run_id, known_seq=1
            )
        case _:
            held = await db.leases.claim(place.mission_id, "w")
            place.epoch = held or place.epoch


async def start(db: Database, places: list[Place], place: Place, root: int, budget: int) -> None:
    """A new run, drawing on that of another place where they have the same owner."""
    other, run_id = places[root], RunId(new_uuid())
    drawn_on = other.run_id if other.owner == place.owner else None
    mission = await db.missions.get(place.mission_id, owner=place.owner)
    event = started(root=drawn_on or run_id, budget=budget)
    await db.log.append(
        place.mission_id, place.epoch, [event], run_id=run_id, known_seq=mission.last_seq
    )
    place.run_id = run_id


async def check(db: Database, history: list[tuple[int, Any]]) -> None:
    places = await play(db, history)
    rebuilt, stored = await db.upkeep.rebuilt(), await db.upkeep.stored()
    for place in places:
        assert rebuilt.missions[place.mission_id] == stored.missions[place.mission_id]
    assert rebuilt == stored
    for run in stored.runs.values():
        assert 0 <= run.asked <= run.reserved or run.root_run_id != run.run_id
        assert run.finished_at is None or run.reserved == 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["memory"])
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(steps(), max_size=30))
async def test_rows_rebuilt_from_the_log_are_those_that_were_kept(
    db: Database, kind: str, history: list[tuple[int, Any]]
) -> None:
    await check(db, history)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=st.lists(steps(), min_size=10, max_size=30))
async def test_rows_rebuilt_from_a_stored_log_are_those_that_were_kept(
    db: Database, kind: str, history: list[tuple[int, Any]]
) -> None:
    await check(db, history)


async def test_a_run_row_adds_up_what_its_run_did(db: Database) -> None:
    mission = (await open_one(db)).mission
    epoch = await claim(db, mission.id)
    run_id = await start_run(db, mission.id, epoch, budget=100)
    more = [asked(50), answered(20), asked(30, step=2)]
    await db.log.append(mission.id, epoch, more, run_id=run_id, known_seq=UNMOVED)
    run = (await db.upkeep.stored()).runs[run_id]

    assert (run.budget, run.spent, run.reserved, run.asked, run.steps) == (100, 20, 30, 30, 1)
    await db.log.append(mission.id, epoch, [finished()], run_id=run_id, known_seq=UNMOVED)
    run = (await db.upkeep.stored()).runs[run_id]
    assert (run.reserved, run.asked, run.outcome) == (0, 0, Outcome.SUCCEEDED)
    assert run.finished_at is not None


async def test_sizes_say_what_takes_the_room(db: Database) -> None:
    mission = (await open_one(db)).mission
    await db.log.append(mission.id, 0, [note("x" * 5000)] * 2, run_id=None, known_seq=2)

    sizes = await db.upkeep.sizes()
    assert (sizes[0].type, sizes[0].events) == ("notice.given", 2)
    assert sizes[0].bytes > 10_000
    assert {s.mission_id for s in sizes} == {mission.id}
