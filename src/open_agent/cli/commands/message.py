"""`open-agent message`: says something to a mission."""

import sys
from dataclasses import dataclass
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.session import Session, find_mission, open_session
from open_agent.core.errors import Invalid
from open_agent.core.ids import new_uuid


@dataclass(frozen=True, slots=True)
class Words:
    """What is said, and how.

    Attributes:
        text: What to say, or `-` for what is on standard input.
        delivery: When the agent sees it.
        backend: Who carries it out; of a new mission, all of it.
    """

    text: str
    delivery: str = "queue"
    backend: str | None = None


def send_message(place: Place, mission: str, words: Words, *, is_json: bool) -> None:
    """Send it, and say where it went.

    Args:
        place: Where settings come from, and which server is meant.
        mission: The beginning of an id, `current` or `new`.
        words: What to say.
        is_json: Print what the server answers.

    Raises:
        Invalid: It is empty, or a task is meant.
        NotFound: There is no such mission.
    """
    session = open_session(place)
    content = sys.stdin.read() if words.text == "-" else words.text
    body = {"content": content, "delivery": words.delivery, "backend": words.backend}
    given = {name: value for name, value in body.items() if value is not None}
    anyio.run(_send, session, mission.strip(), given, is_json)


async def _send(session: Session, mission: str, body: dict[str, Any], is_json: bool) -> None:
    async with session.connected() as connection:
        if mission == "new":
            backend = body.pop("backend", None)
            new = {"backend": backend} if backend else None
            made = await connection.post("/api/control/missions", new, key=new_uuid())
            body["mission_id"] = made.value["id"]
        elif mission != "current":
            found = await find_mission(session, connection, mission)
            if found.kind == "task":
                raise Invalid(
                    "mission.is_task",
                    f"{found.named} is one instruction and one run, and takes no messages. "
                    '`open-agent message new "…"` begins a mission, which does.',
                )
            body["mission_id"] = found.id
        sent = (await connection.post("/api/control/message", body, key=new_uuid())).value
    if is_json:
        session.terminal.print(pydantic_core.to_json(sent).decode())
        return
    short = str(sent["mission_id"])[:SHORT_ID]
    waits = " It waits for its turn." if sent["queued"] else ""
    session.terminal.note(
        f"Sent to mission {short}.{waits} `open-agent follow {short}` follows it.", "plain"
    )
