"""The agent's plan, for people to follow: the newest call's arguments are the plan."""

from collections import Counter
from typing import Annotated, Literal

import pydantic_core
from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from open_agent.tools.definition import Effect, ToolContext, tool

MOST_ITEMS = 50
LONGEST_PLAN = 30_000
"""Bytes as JSON: what is longer would not be on the log in whole."""


class Item(TypedDict):
    """A part of the work."""

    content: Annotated[str, Field(min_length=1, max_length=200)]
    state: Literal["pending", "in_progress", "completed"]


def _short(items: list[Item]) -> list[Item]:
    if len(pydantic_core.to_json(items)) > LONGEST_PLAN:
        raise ValueError("the plan is too long; write fewer words")
    return items


@tool(effect=Effect.READ, timeout=5)
async def update_plan(
    ctx: ToolContext,
    items: Annotated[list[Item], Field(max_length=MOST_ITEMS), AfterValidator(_short)],
) -> str:
    """Show the user your plan. For work of several steps: at its start, and as steps are done.

    Args:
        items: The whole plan; at most one item is in progress.
    """
    del ctx
    counted = Counter(item["state"] for item in items)
    said = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in counted.items())
    return f"The plan is shown: {said or 'nothing to do'}."
