"""The real agent loop, as a program that is killed at every append and between.

The same worker that serves runs, on the real log, with a scripted model and tools whose effects
are counted outside.
"""

from typing import Any

from open_agent.core.ids import MessageId, MissionId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import RunState
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.scripted.script import Asked, Call, Tokens, Turn
from open_agent.store.base import Database
from open_agent.testing.watched import Failpoint
from open_agent.tools.definition import Effect, Tool, ToolContext, tool
from tests.interaction.agent.rig import Window, look, rig_on

OWNER = UserId("anna")
STEPS = 4


def acting_through(failpoint: Failpoint) -> Tool:
    """A tool that does what cannot be undone, once for each call."""

    @tool(effect=Effect.EXECUTE, timeout=5)
    async def act(ctx: ToolContext, step: int) -> str:
        """Do it.

        Args:
            step: Which.
        """
        failpoint.effect(ctx.call_id)
        return f"step {step} is done"

    return act


def script(asked: Asked) -> Turn:
    """Four steps of looking and acting, with notes when the history grows too long."""
    if asked.body.get("tool_choice") == "none":
        return Turn(text="NOTES: going on.")
    results = [m["content"] for m in asked.messages if m["role"] == "tool"]
    done = sum("is done" in str(text) or "Outcome unknown" in str(text) for text in results)
    notes = sum("NOTES" in str(m["content"]) for m in asked.messages)
    if done + notes >= STEPS:
        return Turn(text="All done.")
    calls = (Call("look", {"name": "x" * 2_000}), Call("act", {"step": done}))
    return Turn(text="Next.", calls=calls, tokens=Tokens(input=len(str(asked.messages)) // 4))


async def carry_out(db: Database, failpoint: Failpoint) -> None:
    """Submit one mission, and work on it until its run has finished."""
    opened = await db.log.open_mission(
        MissionId(new_uuid()),
        MissionCreated(
            owner_id=OWNER,
            kind=MissionKind.TASK,
            workspace=str(failpoint.folder),
            is_workspace_ours=False,
            host_id="host",
        ),
        MessageReceived(message_id=MessageId("loop.0"), sender=OWNER, content="Do four things."),
        key="loop",
        digest="loop",
    )
    tools = (look, acting_through(failpoint))
    options: dict[str, Any] = {"tools": tools, "window": Window(4_000, 500)}
    async with rig_on(db, failpoint.folder, script, **options) as rig:
        mission = opened.mission
        while mission.run_state is not RunState.FINISHED:
            await rig.work(mission.id)
            mission = await db.missions.get_for_system(mission.id)
        assert not rig.model.violations
