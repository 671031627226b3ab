"""Asking a person to choose."""

from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from open_agent.tools.asking import told
from open_agent.tools.definition import Effect, ToolContext, tool
from open_agent.tools.schema import shown_whole

MOST_OPTIONS = 50
Text = Annotated[str, Field(min_length=1, max_length=300)]


class Option(TypedDict):
    """Something to choose."""

    id: Text
    label: Text
    description: NotRequired[Text]


def _distinct(options: list[Option]) -> list[Option]:
    if len({option["id"] for option in options}) < len(options):
        raise ValueError("two options have the same id")
    return shown_whole(options)


Options = Annotated[
    list[Option], Field(min_length=1, max_length=MOST_OPTIONS), AfterValidator(_distinct)
]


@tool(effect=Effect.ASK, timeout=5)
async def ui_optionList(  # noqa: N802 - clients of the original know it and its arguments by name
    ctx: ToolContext,
    title: Text,
    options: Options,
    selectionMode: Literal["single", "multi"],  # noqa: N803
    minSelections: Annotated[int, Field(ge=0)] = 1,  # noqa: N803
    maxSelections: Annotated[int, Field(ge=1)] | None = None,  # noqa: N803
) -> str:
    """Ask the user to choose, and wait. Only where their choice matters and cannot be guessed.

    Returns an id, an array of ids, or null when they choose nothing.

    Args:
        title: The question.
        options: What there is to choose.
        selectionMode: How many.
        minSelections: In `multi`, at least.
        maxSelections: In `multi`, at most.
    """
    del title, options, selectionMode, minSelections, maxSelections
    return told(ctx)
