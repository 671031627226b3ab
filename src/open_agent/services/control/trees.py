"""The trees of missions, kept up with their logs."""

import asyncio
from dataclasses import dataclass, field

from open_agent.core.actor import Actor
from open_agent.core.ids import MissionId, UserId
from open_agent.core.mission import Mission
from open_agent.events.log import EncodedRecord, EventLog
from open_agent.events.record import Record
from open_agent.services.control.tree import (
    TREE_TYPES,
    Node,
    Part,
    Progress,
    Work,
    progress_of,
    tree_of,
)
from open_agent.store.missions import Missions

KEPT = 256
"""Missions whose fold is kept; another one's is made anew from its log."""
PAGE = 1000
_TOOLS = (b'"update_plan"', b'"todowrite"', b'"delegate"', b'"task"')


@dataclass(slots=True)
class _Fold:
    work: Work = field(default_factory=Work)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Trees:
    """Folds trees out of logs, and goes on where it stopped."""

    def __init__(self, log: EventLog, missions: Missions) -> None:
        self._log = log
        self._missions = missions
        self._folds: dict[MissionId, _Fold] = {}

    async def tree(self, actor: Actor, mission: Mission) -> Node | None:
        """The tree of a mission that the caller has got; none before its first message."""
        if not mission.messages:
            return None
        return tree_of(await self._part(actor.user_id, mission))

    async def progress(self, actor: Actor, mission: Mission) -> Progress:
        """How much of a mission's work is done."""
        tree = await self.tree(actor, mission)
        return progress_of(tree) if tree else Progress()

    async def _part(self, owner: UserId, mission: Mission) -> Part:
        work = await self._work(mission.id)
        children = await self._missions.children(mission.id, owner=owner) if work.delegated else []
        return Part(mission, work, [await self._part(owner, child) for child in children])

    async def _work(self, mission_id: MissionId) -> Work:
        fold = self._folds.pop(mission_id, None) or _Fold()
        if len(self._folds) >= KEPT:
            del self._folds[next(iter(self._folds))]
        self._folds[mission_id] = fold
        async with fold.lock:
            while page := await self._log.read_encoded(mission_id, after=fold.work.seq, limit=PAGE):
                for record in page:
                    if _matters(record):
                        fold.work.apply(Record.model_validate_json(record.json))
                fold.work.seq = page[-1].seq
                if len(page) < PAGE:
                    break
        return fold.work


def _matters(record: EncodedRecord) -> bool:
    if record.type not in TREE_TYPES:
        return False
    if record.type.startswith("tool."):
        return any(name in record.json for name in _TOOLS)
    return True
