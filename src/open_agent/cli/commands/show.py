"""`open-agent show`: the whole record of a task, as far as it has come."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.asking import asked
from open_agent.cli.connection import Connection
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.narrator import FOLDED, FULL, SHORT_ID
from open_agent.cli.session import Session, find_mission, open_session
from open_agent.cli.streams import RecordSeen
from open_agent.cli.views import JsonView, NarratedView
from open_agent.core.ids import MissionId
from open_agent.events.record import Record

PAGE = 500


def show_task(builder: Builder, place: Place, text: str, *, is_full: bool, is_json: bool) -> None:
    """Print everything that happened in a task."""
    anyio.run(_show, builder, open_session(place), text, is_full, is_json)


async def _show(
    builder: Builder, session: Session, text: str, is_full: bool, is_json: bool
) -> None:
    async with session.reading(builder) as connection:
        found = await find_mission(session, connection, text)
        task_id = found.id
        terminal = session.terminal
        if is_json:
            view = JsonView(terminal)
        else:
            view = NarratedView(terminal, task_id, FULL if is_full else FOLDED)
            terminal.note(found.named)
        async for item in _records(connection, task_id):
            json = pydantic_core.to_json(item).decode() if is_json else ""
            view.record(RecordSeen(Record.model_validate(item), json))
        if view.ending is None and not is_json:
            terminal.note(
                f"It has not ended: {view.activity}. `open-agent follow {task_id[:SHORT_ID]}` "
                "follows it."
            )
            for note in await _asked_below(connection, task_id):
                terminal.note(note)


async def _asked_below(connection: Connection, task_id: MissionId) -> list[str]:
    """What missions ask that this one delegated; its own record does not have it."""
    questions = (await connection.get("/api/control/questions")).value
    return [
        f"{asked(question)} is asked by a part that it delegated. `open-agent answer "
        f"{task_id[:SHORT_ID]} …` answers."
        for question in questions
        if question["mission_id"] == task_id and question.get("child_id")
    ]


async def _records(connection: Connection, task_id: MissionId) -> AsyncGenerator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        params = {"after": after, "limit": PAGE}
        page = (await connection.get(f"/api/missions/{task_id}/events", params)).value
        for item in page["items"]:
            yield item
        after = page["next"]
