"""What every engine owes, on every database: work is found, shared fairly, stopped and resumed."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome, RunState
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.events.model.queue import QueueReleased
from open_agent.events.model.run import RunFinished, RunWaiting
from open_agent.events.model.tool import ToolReturned
from open_agent.scripted.faults import Refusal
from open_agent.scripted.script import Asked, Call, Style, Turn, say
from open_agent.store.base import Database
from open_agent.store.leases import Leases
from open_agent.tools.ui_data_table import ui_dataTable
from tests.conformance.engines import ends, engine_on, is_in
from tests.interaction.agent.rig import Rig, hanging, rig_on
from tests.running import started

pytestmark = pytest.mark.slow

ANNA, BEN = UserId("anna"), UserId("ben")
SLOWLY = Turn(text="word " * 400, style=Style(chunk_chars=10, delay=0.02))


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


async def test_a_cancel_before_a_run_holds_what_waits_and_the_next_message_lets_it_go_on(
    db: Database, tmp_path: Path
):
    async with engine_on(db, tmp_path, say("Done."), per_owner=1) as (rig, engine):
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await rig.cancel(mission_id)
        await engine.start()
        other = await rig.submit()
        assert (await ends(rig, other)).outcome is Outcome.SUCCEEDED
        mission = await db.missions.get_for_system(mission_id)
        assert (mission.run_state, mission.is_held, mission.queued) == (RunState.IDLE, True, 1)
        await rig.say(mission_id, "Go on.", "queue")
        assert await outcome_of_run(rig, mission_id, 2) is Outcome.SUCCEEDED
        ended = await rig.look_at(mission_id)
    assert [e.outcome for e in ended.events(RunFinished)] == [Outcome.SUCCEEDED] * 2


async def outcome_of_run(rig: Rig, mission_id: MissionId, number: int) -> Outcome:
    """How the mission's n-th run ended."""
    with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
        while True:
            found = (await rig.look_at(mission_id)).events(RunFinished)
            if len(found) >= number:
                return found[number - 1].outcome
            await watch.changed(0.2)
