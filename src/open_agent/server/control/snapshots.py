"""How missions stand now, as the frames that have no id: `status`, `agent_tree`, `progress`.

They are computed after what changes them, once for all who follow the same mission.
"""

from dataclasses import dataclass

from open_agent.core.actor import Actor
from open_agent.core.errors import NotFound
from open_agent.core.ids import MissionId
from open_agent.core.mission import Mission
from open_agent.server.control.events import AgentTree, ControlReset, ProgressEvent, StatusEvent
from open_agent.server.control.wire import (
    control_state,
    open_question,
    running_mission,
    tree_node,
)
from open_agent.server.frames import frame, to_json
from open_agent.services.control.assembly import Control
from open_agent.services.control.tree import progress_of

KEPT = 256


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mission's frames.

    Attributes:
        place: Up to where in its owner's stream they know of everything.
        seq: The mission's newest event that they know of.
    """

    place: int
    seq: int
    frames: tuple[bytes, ...]


class Snapshots:
    """Computes them."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._kept: dict[MissionId, Snapshot] = {}

    async def of(self, actor: Actor, mission_id: MissionId, place: int) -> Snapshot | None:
        """A mission as it is at some place of its owner's stream, or later; none if it is gone."""
        kept = self._kept.get(mission_id)
        if kept is None or kept.place < place:
            try:
                mission = await self._control.conversations.get(actor, mission_id)
            except NotFound:
                self._kept.pop(mission_id, None)
                return None
            frames = await self._frames(actor, mission)
            kept = Snapshot(place, mission.last_seq, frames)
            if len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[mission_id] = kept
        return kept

    async def first(self, actor: Actor) -> bytes:
        """How the actor's current mission stands: the first frame of every stream."""
        return _status(await self._control.conversations.current(actor))

    async def at_work(self, actor: Actor) -> list[MissionId]:
        """The actor's missions with something to do."""
        return [mission.id for mission in await self._control.conversations.at_work(actor)]

    async def reset(self, actor: Actor, place: int) -> bytes:
        """Everything at once, for a reader who is nowhere."""
        conversations = self._control.conversations
        current = await conversations.current(actor)
        missions = await conversations.at_work(actor)
        if current is not None and current.queued:
            missions = [*missions, *([] if current in missions else [current])]
        event = ControlReset(
            reason="cursor.unknown",
            cursor=str(place),
            current=current.id if current else None,
            running=[
                running_mission(mission, conversations.seconds_at_rest(mission))
                for mission in await conversations.at_work(actor)
            ],
            queues={mission.id: mission.queued for mission in missions if mission.queued},
            questions=[
                open_question(question) for question in await self._control.answers.waiting(actor)
            ],
        )
        return frame(b"reset", to_json(event))

    async def _frames(self, actor: Actor, mission: Mission) -> tuple[bytes, ...]:
        status = _status(mission)
        tree = await self._control.trees.tree(actor, mission)
        if tree is None:
            return (status,)
        progress = progress_of(tree)
        told = ProgressEvent(
            mission_id=mission.id,
            total_subtasks=progress.total,
            completed_subtasks=progress.completed,
            current_subtask=progress.current,
            depth=progress.depth,
        )
        shown = AgentTree(mission_id=mission.id, tree=tree_node(tree))
        return (
            status,
            frame(b"agent_tree", to_json(shown)),
            frame(b"progress", to_json(told)),
        )


def _status(mission: Mission | None) -> bytes:
    event = StatusEvent(
        mission_id=mission.id if mission else None,
        state=control_state(mission),
        queue_len=mission.queued if mission else 0,
        is_held=mission.is_held if mission else False,
        mission_status=mission.status if mission else None,
    )
    return frame(b"status", to_json(event))
