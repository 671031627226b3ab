"""Bugs that the checker must find: each breaks one promise in a way that a real bug could."""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from open_agent.core.ids import CallId, MissionId, RunId
from open_agent.events.log import Appended
from open_agent.events.model.answer import AnswerDefaulted
from open_agent.events.model.base import BlobRef
from open_agent.events.model.run import RunRecovered
from open_agent.events.model.union import Event
from open_agent.events.record import Record
from open_agent.store.sqlite.database import FILE_NAME
from open_agent.testing.crash import Program, Wrap
from open_agent.testing.watched import Failpoint, WatchedLog, tell
from tests.crash.histories import (
    STEPS,
    Facts,
    Worker,
    answer,
    called,
    failed,
    finished,
    requested,
    returned,
    talk_and_work,
)


@dataclass(frozen=True)
class Planted:
    """A program and its log, with something wrong in one of them."""

    program: Program = talk_and_work
    wrap: Wrap = WatchedLog


class AckBeforeCommit(WatchedLog):
    """Says that an event is durable before it is."""

    async def append(
        self,
        mission_id: MissionId,
        epoch: int,
        events: Sequence[Event],
        *,
        run_id: RunId | None,
        known_seq: int,
    ) -> Appended:
        for event in events:
            if event.type in ("tool.returned", "model.answered"):
                tell(self._failpoint.journal, mission_id, None, event)
        return await super().append(mission_id, epoch, events, run_id=run_id, known_seq=known_seq)


class Rerun(Worker):
    """After a crash, does again what may have been done."""

    async def recover(self) -> None:
        for call_id in list(self.facts.open_calls):
            self.failpoint.effect(call_id)
            await self.append(returned(call_id, "ok"))
        await super().recover()


class NoIntent(Worker):
    """Does first, and says so afterwards."""

    async def call(self, call_id: CallId) -> None:
        self.failpoint.effect(call_id)
        await self.append(called(call_id), returned(call_id, "ok"))


class TwoEnds(Worker):
    """After a crash, ends the run that had just ended."""

    async def recover(self) -> None:
        await super().recover()
        if self.facts.step == STEPS and not self.facts.asked_calls:
            run_id = self.facts.run_id
            await self.append(finished(self.facts.seq))
            self.facts.run_id = run_id
            await self.append(finished(self.facts.seq))


class ForgetfulFacts(Facts):
    """Thinks that recovery took the messages that were waiting."""

    def apply(self, record: Record) -> None:
        super().apply(record)
        if isinstance(record.event, RunRecovered):
            self.waiting.clear()


class LostMessage(Worker):
    """After a crash, forgets what waited while a run was under way."""

    facts_type = ForgetfulFacts


class UnansweredCall(Worker):
    """After a crash, forgets the call that was open."""

    async def recover(self) -> None:
        forgotten = self.facts.open_calls  # from before earlier crashes, too
        self.facts.asked_calls = [c for c in self.facts.asked_calls if c not in forgotten]
        self.facts.open_calls = []
        if self.facts.is_asking:
            await self.append(failed(self.facts.step + 1))


class EarlyBlob(Worker):
    """Names content that it has not written."""

    async def call(self, call_id: CallId) -> None:
        await self.append(called(call_id))
        self.failpoint.effect(call_id)
        content = b"output of " + call_id.encode()
        spilled = BlobRef(digest=hashlib.sha256(content).hexdigest(), size=len(content))
        await self.append(returned(call_id, "ok").model_copy(update={"spilled": spilled}))
        await self.db.blobs.put(self.mission_id, content)


class LateDefault(Worker):
    """Takes the default although somebody has answered."""

    async def call(self, call_id: CallId) -> None:
        await self.append(called(call_id), requested(call_id))
        await answer(self.db, self.mission_id, call_id)
        default = AnswerDefaulted(call_id=call_id, decided_on=0)
        if (await self.append(default)).is_refused:
            await self.append(default)
        await self.append(returned(call_id, "denied"))


def tampering(*statements: str) -> type[WatchedLog]:
    """A log whose database is changed behind its back, once in a while."""

    class Tampered(WatchedLog):
        def __init__(self, log: Any, failpoint: Failpoint) -> None:
            super().__init__(log, failpoint)
            connection = sqlite3.connect(failpoint.folder / "data" / FILE_NAME)
            for statement in statements:
                connection.execute(statement)
            connection.commit()
            connection.close()

    return Tampered


PLANTED = {
    "nothing": Planted(),
    "ack_before_commit": Planted(wrap=AckBeforeCommit),
    "rerun": Planted(partial(talk_and_work, worker=Rerun)),
    "no_intent": Planted(partial(talk_and_work, worker=NoIntent)),
    "two_ends": Planted(partial(talk_and_work, worker=TwoEnds)),
    "lost_message": Planted(partial(talk_and_work, worker=LostMessage)),
    "unanswered_call": Planted(partial(talk_and_work, worker=UnansweredCall)),
    "seq_gap": Planted(wrap=tampering("UPDATE missions SET last_seq = last_seq + 1")),
    "owner_seq_reused": Planted(
        wrap=tampering(
            "DROP INDEX IF EXISTS events_by_owner",
            "UPDATE owners SET last_seq = last_seq - 1 WHERE last_seq > 0",
        )
    ),
    "late_default": Planted(partial(talk_and_work, worker=LateDefault)),
    "left_over": Planted(
        wrap=tampering(
            "CREATE TRIGGER IF NOT EXISTS kept BEFORE DELETE ON queue"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    ),
    "changed_copy": Planted(
        wrap=tampering(
            "UPDATE events SET body = replace(body, 'first 0', 'first O') WHERE seq = 2 AND"
            " mission_id IN (SELECT mission_id FROM events WHERE body LIKE '%forked_from\":{%')"
        )
    ),
    "early_blob": Planted(partial(talk_and_work, worker=EarlyBlob)),
}
