"""`open-agent tasks`: the newest tasks, a line each."""

from datetime import datetime
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.connection import Connection
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.facts import age
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import PAGE, Session, open_session, pages
from open_agent.cli.watching import progress
from open_agent.core.money import show_dollars

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("AGE", is_right=True),
    Column("MODEL"),
    Column("STEPS", is_right=True),
    Column("COST", is_right=True),
    Column("TASK", shrinks=True),
)

_STATUS_STYLES: dict[str, Style] = {
    "succeeded": "good",
    "failed": "bad",
    "exhausted": "bad",
    "cancelled": "warn",
    "running": "call",
}


def list_tasks(builder: Builder, place: Place, *, limit: int, is_json: bool) -> None:
    """Print the newest tasks."""
    anyio.run(_list, builder, open_session(place), limit, is_json)


async def _list(builder: Builder, session: Session, limit: int, is_json: bool) -> None:
    async with (
        session.reading(builder) as connection,
        progress(session.terminal, session.clock, lambda: "reading the list"),
    ):
        tasks = await _newest(connection, limit)
    if is_json:
        text = pydantic_core.to_json(tasks, indent=2).decode()
        session.terminal.print(neutral_json(text))
    elif tasks:
        now = session.clock.now()
        rows = [row(task, now) for task in tasks]
        session.terminal.show(lay_out(COLUMNS, rows, session.terminal.width))
    else:
        session.terminal.note('No tasks yet. `open-agent run "…"` hands one over.', "plain")


async def _newest(connection: Connection, limit: int) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = []
    async for page in pages(connection, size=min(limit, PAGE)):
        tasks += page
        if len(tasks) >= limit:
            break
    return tasks[:limit]


def row(task: dict[str, Any], now: datetime) -> list[Piece]:
    """A task in cells, one for each of `COLUMNS`."""
    status = str(task.get("outcome") or task["status"])
    title = neutral(str(task["task"])).strip().partition("\n")[0]
    return [
        Piece(str(task["id"])[:SHORT_ID], "strong"),
        Piece(neutral(status), _STATUS_STYLES.get(status, "plain")),
        Piece(age(datetime.fromisoformat(task["created_at"]), now), "faint"),
        Piece(neutral(str(task["model"]))),
        Piece(str(task["iterations"])),
        Piece(show_dollars(int(task["cost_microdollars"]))),
        Piece(title),
    ]
