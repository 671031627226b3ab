"""Runs that start while somebody changes what they are about."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MessageId, MissionId
from open_agent.core.mission import MissionKind
from open_agent.events.log import EventLog
from open_agent.events.model.queue import MessageEdited, MessageMoved, MessageRemoved
from open_agent.events.model.union import ExternalEvent
from open_agent.scripted.script import Asked, Turn
from open_agent.store.database import open_database
from tests.interaction.agent.rig import OWNER, rig_on


class Meddling:
    """A log in which a person is quicker than the worker that is about to start a run."""

    def __init__(self, log: EventLog, event: Callable[[MissionId], ExternalEvent]) -> None:
        self._log = log
        self._event = event
        self._is_done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, mission_id: MissionId, *args: Any, **kwargs: Any) -> Any:
        if not self._is_done:
            self._is_done = True
            event = self._event(mission_id)
            await self._log.append_external(mission_id, event, key="quick", owner=OWNER)
        return await self._log.append(mission_id, *args, **kwargs)


@pytest.mark.parametrize("what", ["edit", "remove", "move"])
async def test_a_message_changed_at_the_last_moment_is_taken_as_it_is_then(
    tmp_path: Path, what: str
):
    first, second = MessageId("first"), MessageId("second")
    events: dict[str, ExternalEvent] = {
        "edit": MessageEdited(message_id=first, content="Other.", by=OWNER),
        "remove": MessageRemoved(message_id=first, by=OWNER),
        "move": MessageMoved(message_id=second, before=first, by=OWNER),
    }
    heard: list[str] = []

    def script(asked: Asked) -> Turn:
        heard.append(asked.messages[-1]["content"])
        return Turn(text="Done.")

    async with await open_database(tmp_path / "data", SystemClock()) as database:
        log = cast(EventLog, Meddling(database.log, lambda _: events[what]))
        async with rig_on(replace(database, log=log), tmp_path, script) as r:
            mission_id = await r.submit("First.", kind=MissionKind.MISSION, message_id=first)
            second_message = r.message("Second.").model_copy(update={"message_id": second})
            await log.append_external(mission_id, second_message, key="2", owner=OWNER)
            await r.work(mission_id)
            ended = await r.look_at(mission_id)
    expected = {"edit": ["Other.", "Second."], "remove": ["Second."], "move": ["Second.", "First."]}
    assert heard == expected[what]
    assert ended.types.count("run.started") == len(heard)
