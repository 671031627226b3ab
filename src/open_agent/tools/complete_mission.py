"""The agent's word on how the mission's goal stands."""

from typing import Annotated, Literal

from pydantic import Field

from open_agent.core.mission import MissionStatus
from open_agent.events.model.mission import MissionStatusChanged
from open_agent.tools.definition import Effect, ToolContext, ToolOutput, tool


@tool(effect=Effect.WRITE, timeout=5)
async def complete_mission(
    ctx: ToolContext,
    status: Literal["completed", "failed", "blocked", "not_feasible"],
    summary: Annotated[str, Field(min_length=1, max_length=1_800)],
) -> ToolOutput:
    """Say how the goal of the whole mission stands, once it is reached or you cannot go on.

    Args:
        status: `blocked` when something outside must change first.
        summary: What was done, and what stands in the way.
    """
    del ctx
    said = MissionStatusChanged(status=MissionStatus(status), summary=summary, by="agent")
    return ToolOutput(
        f"The mission is marked {status.replace('_', ' ')}. End with a last word to the user.",
        events=(said,),
    )
