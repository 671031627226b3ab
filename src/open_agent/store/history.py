"""What people and the agent said to each other in some missions, in one query."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import pydantic_core

from open_agent.core.ids import MessageId, MissionId, RunId, UserId
from open_agent.core.run import Outcome
from open_agent.events.codec import upcast_body
from open_agent.store.rows import Row, event_from


@dataclass(frozen=True, slots=True)
class Said:
    """A message, or the last word of a run.

    Attributes:
        message_id: Of a message.
        run_id: Of a run's last word.
        outcome: Of that run.
    """

    mission_id: MissionId
    seq: int
    at: datetime
    role: Literal["user", "assistant"]
    content: str
    sender: UserId | None = None
    message_id: MessageId | None = None
    run_id: RunId | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Spoken:
    """An event that says something, or changes what was said."""

    type: str
    said: Said


def spoken_from(row: Row) -> Spoken:
    """An event from its row."""
    event = event_from(row)
    fields = pydantic_core.from_json(upcast_body(event.type, event.format, event.body))
    is_end = event.type == "run.finished"
    said = Said(
        event.mission_id,
        event.seq,
        event.at,
        "assistant" if is_end else "user",
        fields.get("result" if is_end else "content", ""),
        sender=fields.get("sender"),
        message_id=fields.get("message_id"),
        run_id=event.run_id,
        outcome=Outcome(fields["outcome"]) if is_end else None,
    )
    return Spoken(event.type, said)


def histories(events: Sequence[Spoken]) -> dict[MissionId, list[Said]]:
    """What was said, by mission: messages as they were edited last, and none that was removed."""
    found: dict[MissionId, dict[str, Said]] = {}
    for event in events:
        said = event.said
        mission = found.setdefault(said.mission_id, {})
        match event.type:
            case "message.edited":
                if (before := mission.get(str(said.message_id))) is not None:
                    mission[str(said.message_id)] = replace(before, content=said.content)
            case "message.removed":
                mission.pop(str(said.message_id), None)
            case _:
                mission[str(said.message_id or said.seq)] = said
    return {mission_id: list(entries.values()) for mission_id, entries in found.items()}
