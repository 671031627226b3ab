"""The agent's plan, for people to follow: the newest call's arguments are the plan."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from open_agent.tools.definition import Effect, ToolContext, tool
from open_agent.tools.schema import shown_whole

MOST_ITEMS = 50


class Item(TypedDict):
    """A part of the work."""

    content: Annotated[str, Field(min_length=1, max_length=200)]
    state: Literal["pending", "in_progress", "completed"]


@tool(effect=Effect.READ, timeout=5)
async def update_plan(
    ctx: ToolContext,
    items: Annotated[list[Item], Field(max_length=MOST_ITEMS), AfterValidator(shown_whole)],
) -> str:
    """Show the user your plan. For work of several steps: at its start, and as steps are done.

    Args:
        items: The whole plan; at most one item is in progress.
    """
    del ctx
    counted = Counter(item["state"] for item in items)
    said = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
    return f"The plan is shown: {said or 'nothing to do'}."
