"""The real agent loop, as a program that is killed at every append and between.

The same engine and worker that serve runs, on the real log, with a scripted model and tools whose
effects are counted outside. The run asks a person, has a call allowed and hands over a part.
"""

from typing import Any

import anyio

from open_agent.agent.policy import Rule
from open_agent.core.clock import SystemClock
from open_agent.core.ids import MessageId, MissionId, UserId, new_uuid
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import RunState
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.events.model.answer import AnswerGiven
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.scripted.script import Asked, Call, Tokens, Turn
from open_agent.store.base import Database
from open_agent.testing.watched import Failpoint
from open_agent.tools.definition import Effect, Tool, ToolContext, tool
from open_agent.tools.delegate import delegate
from open_agent.tools.ui_option_list import ui_optionList
from tests.interaction.agent.rig import Rig, Window, look, rig_on

OWNER = UserId("anna")
STEPS = 4
PART = "Do the part."
OPTIONS = [{"id": "a", "label": "A"}, {"id": "b", "label": "B"}]
QUESTION = {"title": "Which?", "options": OPTIONS, "selectionMode": "single"}
ANSWERS = {"input": "a", "approval": "allow"}


def acting_through(failpoint: Failpoint) -> tuple[Tool, Tool]:
    """Tools that do what cannot be undone, once for each call; the second has to be allowed."""

    @tool(effect=Effect.EXECUTE, timeout=5)
    async def act(ctx: ToolContext, step: int) -> str:
        """Do it.

        Args:
            step: Which.
        """
        failpoint.effect(ctx.call_id)
        return f"step {step} is done"

    @tool(effect=Effect.EXECUTE, timeout=5)
    async def risk(ctx: ToolContext) -> str:
        """Do what has to be allowed."""
        failpoint.effect(ctx.call_id)
        return "risked"

    return act, risk


def script(asked: Asked) -> Turn:
    """Four steps that all act, with notes when the history grows too long."""
    if asked.body.get("tool_choice") == "none":
        return Turn(text="NOTES: going on.")
    results = [m["content"] for m in asked.messages if m["role"] == "tool"]
    # Of the part and of the whole there are calls at once, whose effects are told apart by id.
    if asked.messages[1]["content"] == PART:
        return Turn(text="It is.") if results else Turn(calls=(_call("act", {"step": 100}),))
    done = sum("is done" in str(text) or "Outcome unknown" in str(text) for text in results)
    notes = sum("NOTES" in str(m["content"]) for m in asked.messages)
    if done + notes >= STEPS:
        return Turn(text="All done.")
    more: list[tuple[str, dict[str, Any]]] = [
        ("look", {}),
        ("ui_optionList", QUESTION),
        ("risk", {}),
        ("delegate", {"task": PART}),
    ]
    look_at = _call("look", {"name": "x" * 2_000})
    calls = (look_at, _call(*more[done + notes]), _call("act", {"step": done}))
    return Turn(text="Next.", calls=calls, tokens=Tokens(input=len(str(asked.messages)) // 4))


def _call(name: str, arguments: dict[str, Any]) -> Call:
    return Call(name, arguments, id=new_uuid())


async def carry_out(db: Database, failpoint: Failpoint) -> None:
    """Submit one mission, and answer what is asked until its run has finished."""
    opened = await db.log.open_mission(
        MissionId(new_uuid()),
        MissionCreated(
            owner_id=OWNER,
            kind=MissionKind.MISSION,
            workspace=str(failpoint.folder),
            is_workspace_ours=False,
            host_id="host",
        ),
        MessageReceived(message_id=MessageId("loop.0"), sender=OWNER, content="Do four things."),
        key="loop",
        digest="loop",
    )
    options: dict[str, Any] = {
        "tools": (look, ui_optionList, delegate, *acting_through(failpoint)),
        "policy": (Rule("ask", tool="risk"),),
        "window": Window(4_000, 500),
    }
    async with rig_on(db, failpoint.folder, script, **options) as rig:
        engine = EmbeddedEngine(
            db.leases, rig.worker, SystemClock(), holder=new_uuid(), capacity=Capacity(1, 1)
        )
        db.log.on_commit(engine.committed)
        await engine.start()
        await _answer_until_over(rig, opened.mission)
        await engine.drain(5)
        assert not rig.model.violations


async def _answer_until_over(rig: Rig, mission: Mission) -> None:
    with anyio.fail_after(60), rig.feed.watch(mission.id) as watch:
        while mission.run_state is not RunState.FINISHED:
            for question in mission.questions:
                given = AnswerGiven(
                    call_id=question.call_id, answer=ANSWERS[question.kind], by=OWNER
                )
                key = f"answer:{question.call_id}"
                await rig.database.log.append_external(mission.id, given, key=key, owner=OWNER)
            await watch.changed(0.5)
            mission = await rig.database.missions.get_for_system(mission.id)
