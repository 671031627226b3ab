"""`open-agent missions`: missions, a line each."""

from datetime import datetime
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.facts import age
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import Session, open_session
from open_agent.cli.watching import progress

COLUMNS = (
    Column("ID"),
    Column("STATUS"),
    Column("LAST RUN"),
    Column("AGE", is_right=True),
    Column("QUEUE"),
    Column("TITLE", shrinks=True),
)

_STYLES: dict[str, Style] = {
    "succeeded": "good",
    "failed": "bad",
    "exhausted": "bad",
    "cancelled": "warn",
    "running": "call",
    "waiting": "warn",
}


def list_missions(
    builder: Builder, place: Place, *, search: str | None, limit: int, is_json: bool
) -> None:
    """Print missions, or those in which something was said."""
    params: dict[str, str | int] = {"limit": limit} | ({"q": search} if search else {})
    anyio.run(_list, builder, open_session(place), params, is_json)


async def _list(
    builder: Builder, session: Session, params: dict[str, str | int], is_json: bool
) -> None:
    async with (
        session.reading(builder) as connection,
        progress(session.terminal, session.clock, lambda: "reading the list"),
    ):
        missions = (await connection.get("/api/missions", params)).value["items"]
    if is_json:
        text = pydantic_core.to_json(missions, indent=2).decode()
        session.terminal.print(neutral_json(text))
    elif missions:
        now = session.clock.now()
        rows = [row(mission, now) for mission in missions]
        session.terminal.show(lay_out(COLUMNS, rows, session.terminal.width))
    elif "q" in params:
        session.terminal.note("In no mission was anything said with these words.", "plain")
    else:
        session.terminal.note('No missions yet. `open-agent message new "…"` begins one.', "plain")


def row(mission: dict[str, Any], now: datetime) -> list[Piece]:
    """A mission in cells, one for each of `COLUMNS`."""
    run = str(mission["outcome"] if mission["state"] == "finished" else mission["state"])
    waiting = str(mission["queue_len"] or "")
    queue = f"{waiting} held" if mission["is_held"] and waiting else waiting
    title = mission.get("snippet") or mission["title"] or ""
    return [
        Piece(str(mission["id"])[:SHORT_ID], "strong"),
        Piece(neutral(str(mission["status"]))),
        Piece(neutral(run), _STYLES.get(run, "plain")),
        Piece(age(datetime.fromisoformat(mission["updated_at"]), now), "faint"),
        Piece(queue),
        Piece(neutral(str(title)).strip().partition("\n")[0]),
    ]
