"""Rows follow from the log: rebuilt from it they are the same as live, on every database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from open_agent.core.errors import Conflict, NotFound
from open_agent.core.ids import CallId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Outcome
from open_agent.events.fold import PendingMessage, fold
from open_agent.events.log import BudgetSpent, Copy, LeaseLost
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery
from open_agent.events.model.mission import (
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
    Origin,
)
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunRecovered
from open_agent.events.model.union import ExternalEvent, UnknownEvent
from open_agent.store.base import Database
from tests.conformance.making import (
    ANNA,
    answered,
    asked,
    called,
    claim,
    compacted,
    created,
    failed,
    finished,
    message,
    new_mission,
    note,
    open_one,
    returned,
    start_run,
    started,
    waiting,
)

pytestmark = pytest.mark.slow

UNMOVED = 10**9


@dataclass
class Place:
    """One mission of a generated history."""

    mission_id: MissionId
    owner: UserId
    epoch: int = 0
    run_id: RunId | None = None
    is_shared: bool = False
    """One of its runs drew on another's budget, or the other way round."""


amounts = st.integers(0, 60)
call_ids = st.sampled_from([CallId("call-1"), CallId("call-2")])


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, Any]:
    """Which mission something happens to, and what."""
    where = draw(st.integers(0, 3))
    what = draw(
        st.one_of(
            st.tuples(st.just("say"), st.sampled_from(["queue", "steer", "interrupt"])),
            st.tuples(st.just("cancel"), st.none()),
            st.tuples(
                st.just("start"),
                st.tuples(st.integers(0, 3), st.integers(0, 100), st.integers(0, 2)),
            ),
            st.tuples(st.just("change"), changes()),
            st.tuples(st.just("change"), changes()),
            st.tuples(st.just("tell"), words()),
            st.tuples(st.just("fork"), st.integers(1, 12)),
            st.tuples(st.just("delete"), st.none()),
            st.tuples(st.just("events"), st.lists(events(), min_size=1, max_size=4)),
            st.tuples(st.just("stale"), st.none()),
            st.tuples(st.just("claim"), st.none()),
        )
    )
    return where, what


def changes() -> st.SearchStrategy[Any]:
    """What somebody does to a message of the queue, by its place."""
    place = st.integers(0, 3)
    return st.tuples(st.sampled_from(["edit", "move", "last", "remove"]), place, place)


def words() -> st.SearchStrategy[Any]:
    """What people say of a mission, and answers right and wrong."""
    statuses = st.sampled_from(MissionStatus)
    return st.one_of(
        st.builds(MissionRenamed, title=st.text(max_size=9), by=st.just(ANNA)),
        st.builds(MissionStatusChanged, status=statuses, by=st.just("person")),
        st.builds(AnswerGiven, call_id=call_ids, answer=st.text(max_size=5), by=st.just(ANNA)),
        st.sampled_from([MissionSelected(by=ANNA), QueueReleased(by=ANNA)]),
    )


def asks(call_id: CallId) -> AnswerRequested:
    """A question."""
    return AnswerRequested(
        call_id=call_id,
        name="ui_optionList",
        kind="input",
        arguments={},
        until=datetime(2030, 1, 1, tzinfo=UTC),
    )


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
        st.builds(asks, call_ids),
        st.builds(AnswerDefaulted, call_id=call_ids, decided_on=st.just(0)),
        st.sampled_from([called(), returned(), compacted(1), RunRecovered(epoch=1)]),
    )


async def play(db: Database, history: list[tuple[int, Any]]) -> list[Place]:
    """Let a history happen, refusals included."""
    owners = [UserId(new_uuid()) for _ in range(2)]
    kinds = (*[MissionKind.MISSION] * 3, MissionKind.TASK)
    places = [
        Place((await open_one(db, owner=owner, kind=kind)).mission.id, owner)
        for owner, kind in zip((*owners, *owners), kinds, strict=True)
    ]
    for where, (what, how) in history:
        place = places[where]
        try:
            await happen(db, places, place, what, how)
        except (BudgetSpent, LeaseLost, Conflict, NotFound):
            continue
    return places


async def happen(db: Database, places: list[Place], place: Place, what: str, how: Any) -> None:
    """One step, as whoever takes it would."""
    match what:
        case "say":
            delivery: Delivery = how
            await hear(db, place, message(owner=place.owner, delivery=delivery))
        case "cancel":
            await hear(db, place, CancelRequested(by=place.owner))
        case "start":
            await start(db, places, place, *how)
        case "events":
            await db.log.append(
                place.mission_id, place.epoch, how, run_id=place.run_id, known_seq=UNMOVED
            )
        case "change" | "tell":
            event = await change(db, place, *how) if what == "change" else how
            if event is not None:
                await hear(db, place, event)
        case "fork":
            await fork(db, place, upto=how)
        case "delete":
            await delete(db, places, place)
        case "stale":
            await db.log.append(
                place.mission_id, place.epoch, [finished()], run_id=place.run_id, known_seq=1
            )
        case _:
            held = await db.leases.claim(place.mission_id, "w")
            place.epoch = held or place.epoch


async def hear(db: Database, place: Place, event: ExternalEvent) -> None:
    """Somebody says something."""
    await db.log.append_external(place.mission_id, event, key=new_uuid(), owner=place.owner)


async def waiting_in(db: Database, place: Place) -> list[PendingMessage]:
    """What waits, as those see it who work on the mission."""
    return fold(await db.log.read(place.mission_id)).pending


async def change(
    db: Database, place: Place, what: str, which: int, other: int
) -> ExternalEvent | None:
    """What somebody does to a message that waits, or to one that does not."""
    queue = await waiting_in(db, place)
    if not queue:
        return None
    this, that = queue[which % len(queue)].message_id, queue[other % len(queue)].message_id
    match what:
        case "edit":
            return MessageEdited(message_id=this, content="Rather this.", by=ANNA)
        case "move":
            return MessageMoved(message_id=this, before=that, by=ANNA)
        case "last":
            return MessageMoved(message_id=this, before=None, by=ANNA)
        case _:
            return MessageRemoved(message_id=this, by=ANNA)


async def start(
    db: Database, places: list[Place], place: Place, root: int, budget: int, count: int
) -> None:
    """A new run, drawing on that of another place where they have the same owner."""
    other, run_id = places[root], RunId(new_uuid())
    drawn_on = other.run_id if other.owner == place.owner else None
    mission = await db.missions.get(place.mission_id, owner=place.owner)
    queue = await waiting_in(db, place)
    steering = [message.message_id for message in queue if message.delivery == "steer"]
    others = [message.message_id for message in queue if message.delivery != "steer"]
    event = started(root=drawn_on or run_id, budget=budget)
    event = event.model_copy(update={"message_ids": [*steering, *others[:count]]})
    await db.log.append(
        place.mission_id, place.epoch, [event], run_id=run_id, known_seq=mission.last_seq
    )
    place.run_id = run_id
    if drawn_on:
        place.is_shared = other.is_shared = True


async def fork(db: Database, place: Place, upto: int) -> None:
    """A copy of the mission takes its place; the mission itself stays as it is."""
    records = [record for record in await db.log.read(place.mission_id) if record.seq <= upto]
    copies = [
        Copy(r.event, r.run_id, r.at) for r in records[1:] if not isinstance(r.event, UnknownEvent)
    ]
    run = fold(records).run
    closing = [] if run is None else [Copy(finished(Outcome.CANCELLED), run.run_id)]
    origin = Origin(mission_id=place.mission_id, seq=records[-1].seq, copies=len(copies))
    event = created(place.owner, kind=MissionKind.MISSION, forked_from=origin)
    opened = await db.log.fork_mission(
        new_mission(), event, [*copies, *closing], key=None, digest=""
    )
    if not place.is_shared:
        place.mission_id, place.run_id, place.epoch = opened.mission.id, None, 0


async def delete(db: Database, places: list[Place], place: Place) -> None:
    """The mission goes, with what shares a budget with it; another is in its place."""
    gone = [place]
    if place.is_shared:
        gone += [p for p in places if p.owner == place.owner and p is not place]
    ids = [each.mission_id for each in gone]
    await db.log.delete_mission(ids[0], ids[1:], by=place.owner, owner=place.owner)
    for each in gone:
        opened = await open_one(db, owner=each.owner, kind=MissionKind.MISSION)
        each.mission_id, each.run_id, each.epoch = opened.mission.id, None, 0
        each.is_shared = False


async def check(db: Database, history: list[tuple[int, Any]]) -> None:
    places = await play(db, history)
    rebuilt, stored = await db.upkeep.rebuilt(), await db.upkeep.stored()
    for place in places:
        assert rebuilt.missions[place.mission_id] == stored.missions[place.mission_id]
        waiting = [message.message_id for message in await waiting_in(db, place)]
        rows = stored.queues.get(place.mission_id, [])
        assert [row.message_id for row in rows] == waiting
        assert stored.missions[place.mission_id].queued == len(waiting)
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
@given(history=st.lists(steps(), max_size=40))
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
