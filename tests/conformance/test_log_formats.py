"""What an earlier release wrote reads as if today's had written it, by whichever way it is read."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pydantic_core
import pytest

from open_agent.core.clock import SystemClock
from open_agent.events.model.message import MessageReceived
from open_agent.events.upcast import FORMAT, UPCASTERS
from open_agent.store.database import open_database
from open_agent.store.sqlite.database import FILE_NAME
from tests.conformance.making import message, new_mission, open_one

CHANGE = "UPDATE events SET format = {}, body = {} WHERE type = 'message.received'"


def from_text(fields: dict[str, Any]) -> dict[str, Any]:
    """Of a format before the first, in which a message's content was its text."""
    return {("content" if name == "text" else name): value for name, value in fields.items()}


def rewrite(data: Path, url: str | None, format_: int, body: str) -> None:
    """Make the message one of another format."""
    if url is None:
        with closing(sqlite3.connect(data / FILE_NAME)) as connection:
            connection.execute(CHANGE.format("?", "?"), (format_, body))
            connection.commit()
    else:
        with psycopg.connect(url) as connection:
            connection.execute(CHANGE.format("%s", "%s").encode(), (format_, body))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_an_old_event_is_passed_on_in_todays_shape(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(UPCASTERS, ("message.received", 0), from_text)
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    async with await open_database(tmp_path, SystemClock(), url=url) as db:
        mission_id = new_mission()
        await open_one(db, mission_id=mission_id, first=message("Hello"))
        before = await db.log.read_encoded(mission_id)
        event = (await db.log.read(mission_id))[1].event
        assert isinstance(event, MessageReceived)
        fields = event.model_dump(mode="json")
        old = pydantic_core.to_json({"text": fields.pop("content")} | fields)
        rewrite(tmp_path, url, 0, old.decode())
        records = await db.log.read(mission_id)
        encoded = await db.log.read_encoded(mission_id)
    assert records[1].event == event
    assert pydantic_core.from_json(encoded[1].json) == pydantic_core.from_json(before[1].json)
    assert encoded[0] == before[0]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_an_event_of_a_newer_format_is_passed_on_as_it_is(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    async with await open_database(tmp_path, SystemClock(), url=url) as db:
        mission_id = new_mission()
        await open_one(db, mission_id=mission_id, first=message("Hello"))
        rewrite(tmp_path, url, FORMAT + 1, '{"type": "message.received",  "said": "Hello"}')
        encoded = await db.log.read_encoded(mission_id)
    assert pydantic_core.from_json(encoded[1].json)["event"]["said"] == "Hello"
