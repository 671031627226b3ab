"""What every engine owes, on every database: work is found, shared fairly, stopped and resumed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, UserId, child_id, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome, RunState
from open_agent.engine.base import Engine
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.events.model.queue import QueueReleased
from open_agent.events.model.run import RunFinished, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.faults import Refusal
from open_agent.scripted.script import Asked, Call, Script, Style, Turn, say
from open_agent.store.base import Database
from open_agent.store.leases import Leases
from open_agent.tools.delegate import delegate
from open_agent.tools.ui_data_table import ui_dataTable
from tests.interaction.agent.rig import Ended, Rig, hang, hanging, look, rig_on
from tests.running import gone, started

ANNA, BEN = UserId("anna"), UserId("ben")
SLOWLY = Turn(text="word " * 400, style=Style(chunk_chars=10, delay=0.02))


@asynccontextmanager
async def engine_on(
    db: Database,
    tmp_path: Path,
    script: Script,
    *,
    per_owner: int = 4,
    at_once: int = 100,
    **options: Any,
) -> AsyncGenerator[tuple[Rig, Engine]]:
    """An engine that has not been started, and the rig it works with."""
    async with rig_on(db, tmp_path, script, **options) as rig:
        engine = EmbeddedEngine(
            db.leases,
            rig.worker,
            SystemClock(),
            holder=new_uuid(),
            capacity=Capacity(per_owner, at_once),
            shared_host="host",
        )
        db.log.on_commit(engine.committed)
        try:
            yield rig, engine
        finally:
            await engine.drain(0)


async def ends(rig: Rig, mission_id: MissionId, *, seconds: float = 10) -> RunFinished:
    """How the mission's newest run ended."""
    with anyio.fail_after(seconds), rig.feed.watch(mission_id) as watch:
        while (await rig.database.missions.get_for_system(mission_id)).run_state is not (
            RunState.FINISHED
        ):
            await watch.changed(0.2)
    return (await rig.look_at(mission_id)).events(RunFinished)[-1]


async def is_in(rig: Rig, mission_id: MissionId, state: RunState) -> None:
    """Return once the mission is in a state."""
    with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
        while (await rig.database.missions.get_for_system(mission_id)).run_state is not state:
            await watch.changed(0.2)


async def test_a_submitted_mission_is_carried_out(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, say("Done.")) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit()
        engine.wake(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED


async def test_work_left_by_another_time_is_taken_up_at_the_start(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, say("Done.")) as (rig, engine):
        mission_id = await rig.submit()
        await engine.start()
        assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED


async def test_an_owner_has_no_more_at_once_than_allowed_and_the_rest_waits(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, say(SLOWLY), per_owner=2) as (rig, engine):
        await engine.start()
        missions = [await rig.submit(owner=ANNA) for _ in range(4)]
        await is_in(rig, missions[0], RunState.RUNNING)
        await is_in(rig, missions[1], RunState.RUNNING)
        assert engine.active == 2
        waiting = await rig.database.missions.get_for_system(missions[3])
        assert waiting.run_state is RunState.QUEUED


async def test_an_owner_with_much_work_does_not_hold_up_another(db: Database, tmp_path: Path):
    def script(asked: Asked) -> Turn:
        is_ben = "ben" in str(asked.messages[-1])
        return Turn(text="Done.") if is_ben else SLOWLY

    async with engine_on(db, tmp_path, script, at_once=3) as (rig, engine):
        for _ in range(6):
            await rig.submit("for anna", owner=ANNA)
        bens = await rig.submit("for ben", owner=BEN)
        await engine.start()
        assert (await ends(rig, bens)).outcome is Outcome.SUCCEEDED


async def test_a_queued_mission_is_cancelled_without_waiting_for_a_place(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, say(SLOWLY), per_owner=1) as (rig, engine):
        await engine.start()
        first = await rig.submit()
        await is_in(rig, first, RunState.RUNNING)
        second = await rig.submit()
        await rig.cancel(second)
        assert (await ends(rig, second)).outcome is Outcome.CANCELLED
        mission = await rig.database.missions.get_for_system(first)
        assert mission.run_state is RunState.RUNNING


async def test_a_running_mission_is_cancelled_at_once(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, say(SLOWLY)) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit()
        await is_in(rig, mission_id, RunState.RUNNING)
        await rig.cancel(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.CANCELLED


async def test_a_waiting_mission_goes_on_at_its_time_and_gives_up_its_place_till_then(
    db: Database, tmp_path: Path
):
    turn = Turn(text="Done.", fault=Refusal(429, retry_after="0.4"), fault_attempts=1)
    async with engine_on(db, tmp_path, say(turn), per_owner=1) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit()
        await is_in(rig, mission_id, RunState.WAITING)
        assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED
        ended = await rig.look_at(mission_id)
    [waiting] = ended.events(RunWaiting)
    resumed = next(r for r in ended.records if r.at > waiting.until)
    assert resumed.at - waiting.until < timedelta(seconds=3)


async def test_a_waiting_mission_is_cancelled_at_once(db: Database, tmp_path: Path):
    turn = Turn(fault=Refusal(429, retry_after="600"))
    async with engine_on(db, tmp_path, say(turn)) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit()
        await is_in(rig, mission_id, RunState.WAITING)
        await rig.cancel(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.CANCELLED


async def test_a_drained_engine_ends_in_time_and_another_goes_on(db: Database, tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if asked.turn >= 20:
            return Turn(text="Done.")
        return Turn(calls=(Call("look", {"name": str(asked.turn)}),), style=Style(delay=0.01))

    async with engine_on(db, tmp_path, script) as (rig, engine):
        await engine.start()
        missions = [await rig.submit() for _ in range(3)]
        for mission_id in missions:
            await is_in(rig, mission_id, RunState.RUNNING)
        with anyio.fail_after(5):
            await engine.drain(2)
        assert engine.active == 0
        before = [len((await rig.look_at(m)).records) for m in missions]
        async with engine_on(db, tmp_path / "again", script) as (rig2, engine2):
            del rig2
            await engine2.start()
            for mission_id, count in zip(missions, before, strict=True):
                assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED
                assert len((await rig.look_at(mission_id)).records) > count


async def test_work_that_does_not_end_in_time_is_cut_and_settled_later(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, say(Turn(calls=(Call("hang"),)))) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit()
        with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
            while "tool.called" not in (await rig.look_at(mission_id)).types:
                await watch.changed(0.2)
        with anyio.fail_after(5):
            await engine.drain(0.1)
        (tmp_path / "again").mkdir()
        async with engine_on(db, tmp_path / "again", say("", "Done.")) as (_, engine2):
            await engine2.start()
            assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED
        ended = await rig.look_at(mission_id)
    assert "run.recovered" in ended.types


class Unreleasable:
    """Leases on a disk that became full: none can be given back."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def __getattr__(self, name: str) -> Any:
        return getattr(self._leases, name)

    async def release(self, mission_id: MissionId, epoch: int) -> None:
        raise Unavailable("storage.failed", f"{mission_id} {epoch}: the disk is full.")


@pytest.mark.timeout(30)
async def test_a_store_that_takes_nothing_does_not_hold_up_the_end(db: Database, tmp_path: Path):
    async with rig_on(db, tmp_path, say(Turn(calls=(Call("hang"),)))) as rig:
        leases = cast(Leases, Unreleasable(db.leases))
        engine = EmbeddedEngine(
            leases, rig.worker, SystemClock(), holder=new_uuid(), capacity=Capacity(4, 4)
        )
        mission_id = await rig.submit()
        await engine.start()
        await is_in(rig, mission_id, RunState.RUNNING)
        with anyio.fail_after(8):
            await engine.drain(0.1)
        assert engine.active == 0


@pytest.mark.timeout(30)
async def test_two_engines_share_the_work_and_nothing_is_done_twice(
    db: Database, tmp_path: Path, kind: str
):
    async with (
        engine_on(db, tmp_path / "a", say("Done."), at_once=3) as (rig, first),
        engine_on(db, tmp_path / "b", say("Done."), at_once=3) as (_, second),
    ):
        missions = [await rig.submit(owner=UserId(f"owner{n % 5}")) for n in range(20)]
        await first.start()
        await second.start()
        for mission_id in missions:
            assert (await ends(rig, mission_id, seconds=20)).outcome is Outcome.SUCCEEDED
            assert (await rig.look_at(mission_id)).types.count("run.started") == 1
    assert kind


async def test_work_that_is_cut_ends_its_processes_and_is_settled_when_it_goes_on(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, say(Turn(calls=(Call("hang"),)), then="Done.")) as (
        rig,
        engine,
    ):
        await engine.start()
        mission_id = await rig.submit()
        with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
            while "tool.called" not in (await rig.look_at(mission_id)).types:
                await watch.changed(0.2)
        await started(hanging(rig.workspace))
        engine.cut(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED
        outcomes = [e.outcome for e in (await rig.look_at(mission_id)).events(ToolReturned)]
    assert outcomes == ["unknown"]


def delegating(asked: Asked) -> Turn:
    """Hands over what it is told to, and says what came of it."""
    said = str(asked.messages[1]["content"])
    word, _, rest = said.partition(" ")
    if word != "delegate":
        return Turn(text=f"did {said}") if word != "hang" else Turn(calls=(Call("hang"),))
    results = [m["content"] for m in asked.messages if m["role"] == "tool"]
    if not results:
        return Turn(calls=(Call("delegate", {"task": rest}),))
    return Turn(text=str(results[-1]))


DELEGATING: Any = {"tools": (look, hang, delegate)}


@pytest.mark.timeout(30)
async def test_what_waits_for_its_own_part_lends_it_its_place(db: Database, tmp_path: Path):
    """With room for one, three levels deep: counted in full, nothing would ever go on."""
    async with engine_on(db, tmp_path, delegating, per_owner=1, at_once=1, **DELEGATING) as (
        rig,
        engine,
    ):
        await engine.start()
        mission_id = await rig.submit("delegate delegate it", kind=MissionKind.MISSION)
        other = await rig.submit("another thing")
        assert "did it" in (await ends(rig, mission_id)).result
        assert (await ends(rig, other)).outcome is Outcome.SUCCEEDED
        child = await db.missions.get_for_system(only_child(await rig.look_at(mission_id)))
        below = await db.missions.get_for_system(only_child(await rig.look_at(child.id)))
    assert (child.kind, child.parent_id) == (MissionKind.CHILD, mission_id)
    assert (below.parent_id, below.outcome) == (child.id, Outcome.SUCCEEDED)


@pytest.mark.timeout(30)
async def test_no_more_than_two_levels_delegate(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, delegating, **DELEGATING) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit("delegate delegate delegate it", kind=MissionKind.MISSION)
        assert "No more than 2 levels delegate" in (await ends(rig, mission_id)).result


@pytest.mark.timeout(30)
async def test_a_cancel_of_the_parent_ends_what_it_delegated_first(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, delegating, per_owner=1, **DELEGATING) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit("delegate hang")
        await started(hanging(rig.workspace))
        await rig.cancel(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.CANCELLED
        ended = await rig.look_at(mission_id)
        child = await rig.look_at(only_child(ended))
    assert child.end.outcome is Outcome.CANCELLED
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "cancelled"
    by_type = {record.event.type: record.at for record in ended.records}
    assert child.records[-1].at <= by_type["tool.returned"]


@pytest.mark.timeout(30)
async def test_a_drained_engine_leaves_delegated_work_to_be_gone_on_with(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, delegating, **DELEGATING) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit("delegate hang")
        await started(hanging(rig.workspace))
        child_id = only_child(await rig.look_at(mission_id))
        with anyio.fail_after(5):
            await engine.drain(0.2)
        assert (await rig.look_at(mission_id)).types[-1] == "tool.called"
    script = say("Told that it is unknown.", then="The child is done.")
    async with engine_on(db, tmp_path / "again", script, **DELEGATING) as (rig, engine):
        await engine.start()
        assert (await ends(rig, mission_id)).outcome is Outcome.SUCCEEDED
        ended, child = await rig.look_at(mission_id), await rig.look_at(child_id)
    [returned] = ended.events(ToolReturned)
    assert (returned.outcome, child.end.outcome) == ("ok", Outcome.SUCCEEDED)


async def test_a_cut_ends_what_was_delegated_too(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, delegating, **DELEGATING) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit("delegate hang")
        await started(hanging(rig.workspace))
        running = {mission_id, only_child(await rig.look_at(mission_id))}
        assert set(rig.worker.contexts) == running
        engine.cut(mission_id)
        await gone(hanging(rig.workspace), seconds=3)


async def test_an_answer_wakes_the_mission_that_waits_for_it(db: Database, tmp_path: Path):
    question = Call(
        "ui_dataTable", {"title": "T", "columns": [{"id": "a", "label": "A"}], "rows": []}
    )
    script = say(Turn(calls=(question,)), then="Thanks.")
    async with engine_on(db, tmp_path, script, tools=(ui_dataTable,)) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await is_in(rig, mission_id, RunState.WAITING)
        mission = await db.missions.get_for_system(mission_id)
        assert mission.reason == "waiting_for_tool"
        [asked] = mission.questions
        await rig.answer(mission_id, asked.call_id, ["x"])
        assert (await ends(rig, mission_id)).result == "Thanks."
        [returned] = (await rig.look_at(mission_id)).events(ToolReturned)
    assert (returned.outcome, returned.content) == ("ok", '["x"]')


async def test_a_cancel_holds_the_queue_until_it_is_released(db: Database, tmp_path: Path):
    async with engine_on(db, tmp_path, say(SLOWLY, then="Done.")) as (rig, engine):
        await engine.start()
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await is_in(rig, mission_id, RunState.RUNNING)
        await rig.say(mission_id, "Then this.", "queue")
        await rig.cancel(mission_id)
        assert (await ends(rig, mission_id)).outcome is Outcome.CANCELLED
        mission = await db.missions.get_for_system(mission_id)
        assert (mission.is_held, mission.queued) == (True, 1)
        await db.log.append_external(
            mission_id, QueueReleased(by=UserId("default")), key="go on", owner=UserId("default")
        )
        assert await outcome_of_run(rig, mission_id, 2) is Outcome.SUCCEEDED


async def outcome_of_run(rig: Rig, mission_id: MissionId, number: int) -> Outcome:
    """How the mission's n-th run ended."""
    with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
        while True:
            found = (await rig.look_at(mission_id)).events(RunFinished)
            if len(found) >= number:
                return found[number - 1].outcome
            await watch.changed(0.2)


def only_child(ended: Ended) -> MissionId:
    """The mission that the only delegation of a log made."""
    [called] = [event for event in ended.events(ToolCalled) if event.effect == "delegate"]
    return child_id(ended.mission_id, called.call_id)
