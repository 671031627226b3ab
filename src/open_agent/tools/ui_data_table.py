"""Asking a person about rows of a table."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from open_agent.tools.asking import told
from open_agent.tools.definition import Effect, ToolContext, tool
from open_agent.tools.schema import shown_whole

MOST_COLUMNS = 30
MOST_ROWS = 200


class Column(TypedDict):
    """A column of the table."""

    id: str
    label: str


@tool(effect=Effect.ASK, timeout=5)
async def ui_dataTable(  # noqa: N802 - clients of the original know it by this name
    ctx: ToolContext,
    title: str,
    columns: Annotated[list[Column], Field(min_length=1, max_length=MOST_COLUMNS)],
    rows: Annotated[list[dict[str, Any]], Field(max_length=MOST_ROWS), AfterValidator(shown_whole)],
) -> str:
    """Show the user a table, and wait until they choose rows or dismiss it.

    Args:
        title: What it shows.
        columns: In order.
        rows: Values by column id; give each an `id` to have it chosen by.
    """
    del title, columns, rows
    return told(ctx)
