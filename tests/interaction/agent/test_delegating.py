"""Work that a run hands to another: its share, its end, and what is left of it after a crash."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, UserId, child_id
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome, RunState
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.events.model.message import MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.model.tool import ToolReturned
from open_agent.scripted.faults import Refusal
from open_agent.scripted.script import Asked, Call, Script, Tokens, Turn
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.tools.delegate import delegate
from tests.interaction.agent.rig import (
    OWNER,
    Ended,
    Rig,
    fail,
    hang,
    hanging,
    look,
    rig_on,
)
from tests.running import gone, started

CENT = 10_000


def handing_over(part: Turn, /, *, then: Turn | None = None, **arguments: Any) -> Script:
    """A parent that delegates `the part` once, and a child that plays `part`."""

    def script(asked: Asked) -> Turn:
        if asked.messages[1]["content"] == "the part":
            return part
        results = [m["content"] for m in asked.messages if m["role"] == "tool"]
        if results:
            return then or Turn(text=str(results[-1]))
        return Turn(calls=(Call("delegate", {"task": "the part", **arguments}),))

    return script


@asynccontextmanager
async def working(
    db: Database, tmp_path: Path, script: Script, **options: Any
) -> AsyncGenerator[Rig]:
    """A rig with an engine that works on what there is."""
    tools = (look, hang, fail, delegate)
    async with rig_on(db, tmp_path, script, tools=tools, **options) as rig:
        engine = EmbeddedEngine(
            db.leases, rig.worker, SystemClock(), holder="test", capacity=Capacity(4, 100)
        )
        db.log.on_commit(engine.committed)
        await engine.start()
        try:
            yield rig
        finally:
            await engine.drain(1)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncGenerator[Database]:
    async with await open_database(tmp_path / "data", SystemClock()) as opened:
        yield opened


async def over(rig: Rig, mission_id: MissionId) -> Ended:
    with anyio.fail_after(4), rig.feed.watch(mission_id) as watch:
        while (await rig.database.missions.get_for_system(mission_id)).run_state is not (
            RunState.FINISHED
        ):
            await watch.changed(0.2)
    return await rig.look_at(mission_id)


def delegated(ended: Ended) -> tuple[ToolReturned, MissionId]:
    """The only delegation of a mission: its answer, and the child."""
    [returned] = [event for event in ended.events(ToolReturned) if event.name == "delegate"]
    return returned, child_id(ended.mission_id, returned.call_id)


async def test_a_part_is_done_by_a_mission_of_its_own(db: Database, tmp_path: Path):
    part = Turn(text="I did it.", tokens=Tokens(input=100, output=5, cost_dollars=0.0123))
    async with working(db, tmp_path, handing_over(part, title="The part", model="m/x")) as rig:
        ended = await over(rig, await rig.submit(kind=MissionKind.MISSION))
        returned, child_mission = delegated(ended)
        child = await rig.look_at(child_mission)
    assert returned.content == (
        "Outcome: succeeded (done); 1 steps, $0.0123. Its last word:\n\nI did it."
    )
    assert (returned.outcome, returned.cost_microdollars) == ("ok", 12_300)
    [created], [message] = child.events(MissionCreated), child.events(MessageReceived)
    [parent_run], [run] = ended.events(RunStarted), child.events(RunStarted)
    assert (created.kind, created.title, created.workspace) == (
        MissionKind.CHILD,
        "The part",
        str(rig.workspace),
    )
    assert created.is_workspace_ours is False
    assert (created.parent.mission_id, created.parent.call_id) == (
        ended.mission_id,
        returned.call_id,
    )
    assert (message.content, message.cause, run.model) == ("the part", "delegate", "m/x")
    assert run.root_run_id == parent_run.root_run_id


async def test_a_child_gets_a_share_of_what_is_left_and_draws_on_the_same_budget(
    db: Database, tmp_path: Path
):
    part = Turn(text="Done.", tokens=Tokens(input=10, output=5, cost_dollars=0.03))
    first = Tokens(input=10, output=5, cost_dollars=0.02)

    def script(asked: Asked) -> Turn:
        turn = handing_over(part, budget_cents=50)(asked)
        return Turn(turn.text, calls=turn.calls, tokens=first) if turn.calls else turn

    async with working(db, tmp_path, script) as rig:
        options = RunOptions(budget_microdollars=10 * CENT)
        ended = await over(rig, await rig.submit(options=options))
        returned, child_mission = delegated(ended)
        child = await rig.look_at(child_mission)
    [run] = child.events(RunStarted)
    assert run.limits.budget_microdollars == 8 * CENT
    assert returned.cost_microdollars == 3 * CENT
    last = ended.events(ModelAsked)[-1]
    assert last.reserved_microdollars <= 5 * CENT
    [end] = ended.events(RunFinished)
    assert 2 * CENT <= end.cost_microdollars < 3 * CENT, "what a child spends is its own cost"


async def test_what_a_child_spent_is_gone_for_its_parent(db: Database, tmp_path: Path):
    part = Turn(text="Done.", tokens=Tokens(input=10, output=5, cost_dollars=0.0999))
    async with working(db, tmp_path, handing_over(part)) as rig:
        options = RunOptions(budget_microdollars=10 * CENT)
        ended = await over(rig, await rig.submit(options=options))
    assert (ended.end.outcome, ended.end.reason) == (Outcome.EXHAUSTED, "budget")


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Turn(fault=Refusal(401)), "Outcome: failed (provider.unauthorized)"),
        (Turn(text="", finish_reason="content_filter"), "Outcome: failed (content_filter)"),
    ],
)
async def test_a_part_that_fails_comes_back_as_a_failure(
    db: Database, tmp_path: Path, part: Turn, said: str
):
    async with working(db, tmp_path, handing_over(part)) as rig:
        ended = await over(rig, await rig.submit())
    returned, _ = delegated(ended)
    assert returned.outcome == "failed"
    assert returned.content.startswith(said)
    assert ended.end.outcome is Outcome.SUCCEEDED


async def test_a_part_that_takes_too_long_is_stopped_and_said_to_be(db: Database, tmp_path: Path):
    script = handing_over(Turn(calls=(Call("hang"),)), timeout_secs=1)
    async with working(db, tmp_path, script) as rig:
        ended = await over(rig, await rig.submit())
        await gone(hanging(rig.workspace), seconds=1)
        returned, child_mission = delegated(ended)
        child = await rig.look_at(child_mission)
    assert returned.outcome == "failed"
    assert returned.content.startswith("It did not finish in its time and was stopped")
    assert child.end.outcome is Outcome.CANCELLED
    assert child.records[-1].at <= ended.records[-1].at


async def test_a_part_that_somebody_cancels_comes_back(db: Database, tmp_path: Path):
    async with working(db, tmp_path, handing_over(Turn(calls=(Call("hang"),)))) as rig:
        mission_id = await rig.submit()
        await started(hanging(rig.workspace))
        call = (await rig.look_at(mission_id)).state.run
        assert call is not None
        await rig.cancel(child_id(mission_id, call.calls[0].call.call_id))
        returned, _ = delegated(await over(rig, mission_id))
    assert returned.content.startswith("Outcome: cancelled (user)")


async def test_an_interrupt_ends_the_part_before_the_new_message_is_worked_on(
    db: Database, tmp_path: Path
):
    script = handing_over(Turn(calls=(Call("hang"),)), then=Turn(text="On to the new."))
    async with working(db, tmp_path, script) as rig:
        mission_id = await rig.submit(kind=MissionKind.MISSION)
        await started(hanging(rig.workspace))
        await rig.say(mission_id, "Stop, do this.", "interrupt")
        with anyio.fail_after(4), rig.feed.watch(mission_id) as watch:
            while (await rig.look_at(mission_id)).types.count("run.finished") < 2:
                await watch.changed(0.2)
        ended = await rig.look_at(mission_id)
        _, child_mission = delegated(ended)
        child = await rig.look_at(child_mission)
    assert [e.outcome for e in ended.events(RunFinished)] == [
        Outcome.CANCELLED,
        Outcome.SUCCEEDED,
    ]
    second = [record for record in ended.records if record.event.type == "run.started"][1]
    assert child.records[-1].at <= second.at


async def test_after_a_crash_the_same_part_is_waited_for(db: Database, tmp_path: Path):
    """The worker dies in the middle of the wait; no other child is opened, nothing is unknown."""
    script = handing_over(Turn(text="Done."))
    part = MissionId("")
    async with rig_on(db, tmp_path, script, tools=(delegate,)) as rig:
        mission_id = await rig.submit()
        with anyio.move_on_after(5) as dying:
            async with anyio.create_task_group() as group:
                group.start_soon(rig.work, mission_id)
                with rig.feed.watch(mission_id) as watch:
                    while "tool.called" not in (await rig.look_at(mission_id)).types:
                        await watch.changed(0.2)
                run = (await rig.look_at(mission_id)).state.run
                assert run is not None
                part = child_id(mission_id, run.calls[0].call.call_id)
                with rig.feed.watch(part) as watch:
                    while not (await rig.database.log.read(part)):
                        await watch.changed(0.2)
                dying.cancel()
    await db.leases.release(mission_id, 1)
    async with working(db, tmp_path, script) as rig:
        ended = await over(rig, mission_id)
        child = await rig.look_at(part)
    assert "run.recovered" in ended.types
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "ok"
    assert len(child.events(MissionCreated)) == len(child.events(RunFinished)) == 1


async def test_a_mission_that_shares_its_folder_is_told_so(db: Database, tmp_path: Path):
    def script(asked: Asked) -> Turn:
        if "first" in str(asked.messages[1]["content"]) and asked.turn == 0:
            return Turn(calls=(Call("hang"),))
        return Turn(text="Done.")

    async with working(db, tmp_path, script) as rig:
        first = await rig.submit("the first")
        await started(hanging(rig.workspace))
        ended = await over(rig, await rig.submit("the second"))
        await rig.cancel(first)
        alone = await over(rig, first)
    [notice] = ended.events(NoticeGiven)
    assert notice.kind == "note"
    assert notice.content.startswith("Another mission works in this directory at the same time.")
    assert first not in notice.content
    assert not alone.events(NoticeGiven)


async def test_children_of_one_owner_are_not_seen_by_another(db: Database, tmp_path: Path):
    async with working(db, tmp_path, handing_over(Turn(text="Done."))) as rig:
        ended = await over(rig, await rig.submit(owner=UserId("anna")))
        _, child_mission = delegated(ended)
        child = await db.missions.get_for_system(child_mission)
    assert child.owner_id == UserId("anna") != OWNER
