"""What a record of an owner's stream is about, where the record alone does not say.

All of it follows from the log before the record, so that a stream says the same whenever it is
read.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from open_agent.core.errors import NotFound
from open_agent.core.ids import CallId, MissionId, RunId, UserId
from open_agent.core.mission import MissionKind
from open_agent.events.log import EncodedRecord, EventLog
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered
from open_agent.events.model.run import RunStarted
from open_agent.events.record import Record
from open_agent.store.missions import Missions

LOOK_BACK = 50
"""Records read at once, backwards: what is looked for is mostly among the last few."""
REMEMBERED = 10_000
"""Missions whose kind is remembered; it never changes."""


@dataclass(frozen=True, slots=True)
class Shown:
    """How a mission appears in its owner's stream.

    Attributes:
        kind: What it was made as; of what a task delegated, a task.
        mission_id: The mission that a person sees: itself, or that which delegated first.
        copies_until: Up to this `seq` its records are copies of another mission's.
    """

    kind: MissionKind
    mission_id: MissionId
    copies_until: int = 0


@dataclass(frozen=True, slots=True)
class About:
    """What a record alone does not say.

    Attributes:
        model: Of a run's end: the model that answered last in the run.
        question: Of an answer: what was asked.
    """

    shown: Shown
    model: str | None = None
    question: AnswerRequested | None = None


class Context:
    """Looks up what records are about."""

    def __init__(self, log: EventLog, missions: Missions) -> None:
        self._log = log
        self._missions = missions
        self._shown: dict[MissionId, Shown] = {}

    async def about(self, owner: UserId, record: EncodedRecord) -> About | None:
        """What a record of the owner's is about.

        None for copies, which say nothing new, and when its mission has been deleted since.
        """
        if record.type == "mission.deleted":
            # Nothing else is left of it that could say what it was.
            return About(Shown(MissionKind.MISSION, record.mission_id))
        shown = await self.shown(owner, record.mission_id)
        if shown is None or 1 < record.seq <= shown.copies_until:
            return None
        if shown.kind is not MissionKind.TASK:
            if record.type == "run.finished":
                return About(shown, model=await self._model(record))
            if record.type in ("answer.given", "answer.defaulted"):
                return About(shown, question=await self._question(record))
        return About(shown)

    async def shown(self, owner: UserId, mission_id: MissionId) -> Shown | None:
        """How one of the owner's missions appears; none when it is gone."""
        found = self._shown.get(mission_id)
        if found is None:
            try:
                mission = await self._missions.get(mission_id, owner=owner)
            except NotFound:
                return None
            found = Shown(mission.kind, mission.id, await self._copies_until(mission_id))
            if mission.parent_id is not None:
                above = await self.shown(owner, mission.parent_id)
                if above is None:
                    return None
                is_task = above.kind is MissionKind.TASK
                kind = MissionKind.TASK if is_task else MissionKind.CHILD
                found = Shown(kind, above.mission_id)
            if len(self._shown) >= REMEMBERED:
                del self._shown[next(iter(self._shown))]
            self._shown[mission_id] = found
        return found

    async def _copies_until(self, mission_id: MissionId) -> int:
        records = await self._log.read(mission_id, limit=1)
        event = records[0].event if records else None
        origin = event.forked_from if isinstance(event, MissionCreated) else None
        return origin.copies + 1 if origin else 0

    async def _model(self, record: EncodedRecord) -> str | None:
        run_id = _run_of(record)
        async for found in self._backwards(record):
            if found.run_id != run_id:
                continue
            match found.event:
                case ModelAnswered(purpose="step", model=model):
                    return model
                case RunStarted(model=model):
                    return model
                case _:
                    pass
        return None

    async def _question(self, record: EncodedRecord) -> AnswerRequested | None:
        answer = Record.model_validate_json(record.json).event
        assert isinstance(answer, AnswerGiven | AnswerDefaulted)
        call_id: CallId = answer.call_id
        async for found in self._backwards(record):
            if isinstance(found.event, AnswerRequested) and found.event.call_id == call_id:
                return found.event
        return None

    async def _backwards(self, record: EncodedRecord) -> AsyncGenerator[Record]:
        """Records before one of the same mission, newest first."""
        before = record.seq
        while before > 1:
            after = max(0, before - 1 - LOOK_BACK)
            page: Sequence[Record] = await self._log.read(
                record.mission_id, after=after, before=before, limit=LOOK_BACK
            )
            for found in reversed(page):
                yield found
            before = after + 1


def _run_of(record: EncodedRecord) -> RunId | None:
    return Record.model_validate_json(record.json).run_id
