"""What every engine owes to work that a run delegates, on every database."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.core.ids import MissionId, child_id
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.script import Asked, Call, Turn, say
from open_agent.store.base import Database
from open_agent.tools.delegate import delegate
from tests.conformance.engines import ends, engine_on
from tests.interaction.agent.rig import Ended, hang, hanging, look
from tests.running import gone, started


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


def only_child(ended: Ended) -> MissionId:
    """The mission that the only delegation of a log made."""
    [called] = [event for event in ended.events(ToolCalled) if event.effect == "delegate"]
    return child_id(ended.mission_id, called.call_id)
