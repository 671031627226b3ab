"""How a mission stands and what has happened in it, for a reader that comes back with a cursor."""

from typing import Any

import anyio

from open_agent.core.actor import Actor
from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.money import to_cents
from open_agent.core.run import RunState
from open_agent.events.log import EncodedRecord
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.run import RunFinished
from open_agent.events.record import Record
from open_agent.server.frames import decode, entries
from open_agent.server.services import Services
from open_agent.server.wire import task_status
from open_agent.services.missions import Follower
from open_agent.tools.clipping import clip

LONGEST_WAIT = 60
GATHER_SECONDS = 2.0
"""After the first news, a reader that can wait is given what comes within this time as well."""
ENTRY_CHARACTERS = 2_000
"""Of one line of the log; what is left out of it is said."""
LOG_CHARACTERS = 20_000
"""Of all lines of one answer; the rest is read by the next call."""
_AT_REST = (RunState.IDLE, RunState.FINISHED)


class ProgressReader:
    """Reads for one caller."""

    def __init__(self, actor: Actor, services: Services) -> None:
        self._actor = actor
        self._services = services

    async def read(self, mission_id: MissionId, cursor: int, wait_seconds: int) -> dict[str, Any]:
        """What is new behind `cursor`; without anything new, after `wait_seconds` all the same.

        Raises:
            NotFound: It does not exist, or is not the caller's (`mission.not_found`).
            Invalid: The cursor is beyond the log's end (`cursor.invalid`).
        """
        mission = await self._services.missions.get(self._actor, mission_id)
        if cursor > mission.last_seq:
            raise Invalid("cursor.invalid", "This cursor is not of this log; begin with 0.")
        log = _Log(cursor)
        until, has_news = anyio.current_time() + wait_seconds, False
        with self._services.missions.follow(mission) as follower:
            follower.after = cursor
            while await log.take_from(follower):
                mission = await self._services.missions.get(self._actor, mission_id)
                if mission.last_seq > follower.after:
                    follower.look_again()
                    continue
                now = anyio.current_time()
                if log.lines and not has_news:
                    has_news, until = True, min(until, now + GATHER_SECONDS)
                if mission.run_state in _AT_REST or follower.is_closed or now >= until:
                    break
                await follower.changed(until - now)
        mission = await self._services.missions.get(self._actor, mission_id)
        return await self._shown(mission, log)

    async def _shown(self, mission: Mission, log: "_Log") -> dict[str, Any]:
        is_task = mission.kind is MissionKind.TASK
        status = task_status(mission.run_state, mission.outcome) if is_task else mission.status
        return {
            "id": mission.id,
            "title": mission.title,
            "status": status,
            "run": mission.run_state,
            "outcome": mission.outcome,
            "steps": mission.steps,
            "cost_cents": to_cents(mission.spent_microdollars),
            "queued_messages": mission.queued,
            "questions": await self._questions(mission),
            "log": log.lines,
            "cursor": log.cursor,
            "is_more": log.cursor < mission.last_seq,
            "result": mission.result if mission.run_state is RunState.FINISHED else None,
        }

    async def _questions(self, mission: Mission) -> list[dict[str, Any]]:
        """What waits for a person: of the mission itself, and of what it has delegated."""
        return [
            {
                "id": question.tool_call_id,
                "kind": question.asked.kind,
                "tool": question.asked.name,
                "asks": question.asked.arguments,
                "until": question.asked.until,
                "default": question.asked.default,
            }
            for question in await self._services.control.answers.waiting(self._actor)
            if mission.id in (question.mission_id, question.asker_id)
        ]


class _Log:
    """Lines as they are read, until an answer is full."""

    def __init__(self, cursor: int) -> None:
        self.lines: list[dict[str, Any]] = []
        self.cursor = cursor
        self._size = 0

    async def take_from(self, follower: Follower) -> bool:
        """Take what there is; false when there is no room for more."""
        while records := await follower.records():
            for record in records:
                if not self._add(record):
                    return False
        return True

    def _add(self, record: EncodedRecord) -> bool:
        lines = _lines(decode(record))
        size = sum(len(line["text"]) for line in lines)
        if self.lines and self._size + size > LOG_CHARACTERS:
            return False
        self.lines += lines
        self.cursor = record.seq
        self._size += size
        return True


def _lines(record: Record) -> list[dict[str, Any]]:
    """A record as lines of the log; housekeeping is none."""
    found = [(str(entry.entry_type), entry.content) for entry in entries(record)]
    match record.event:
        case MessageReceived() as event:
            found = [("message", event.content)]
        case RunFinished() as event:
            found = [("run_finished", f"{event.outcome}: {event.result}")]
        case _:
            pass
    return [
        {"at": record.at, "type": kind, "text": clip(text, ENTRY_CHARACTERS)}
        for kind, text in found
    ]
