"""Missions as conversations: made, looked at, chosen, renamed, and their status set."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from open_agent.core.actor import Actor
from open_agent.core.clock import Clock
from open_agent.core.errors import NotFound, OpenAgentError
from open_agent.core.ids import MissionId, UserId, is_uuid, new_uuid
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.core.run import Outcome
from open_agent.events.log import EventLog
from open_agent.events.model.mission import (
    MissionCreated,
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
)
from open_agent.services.control.titles import checked_title
from open_agent.services.places import Places
from open_agent.services.workspaces.choosing import WorkspaceChoice, choice_of, digest_fields
from open_agent.services.workspaces.reserving import Reserving
from open_agent.store.control import AT_WORK, ControlRows
from open_agent.store.history import Said
from open_agent.store.missions import Missions
from open_agent.store.paging import MissionFilter, MissionOrder, MissionPage
from open_agent.store.search import Found

_ENDED_BADLY = frozenset({Outcome.FAILED, Outcome.EXHAUSTED, Outcome.CANCELLED})
_INTERRUPTED = frozenset({MissionStatus.INTERRUPTED, MissionStatus.BLOCKED})


@dataclass(frozen=True, slots=True)
class NewMission:
    """What a mission may be made with."""

    title: str | None = None
    model: str | None = None
    working_dir: str | None = None
    workspace: WorkspaceChoice | None = None
    backend: str | None = None


class Conversations:
    """What people do with missions, other than speak to them."""

    def __init__(
        self,
        log: EventLog,
        missions: Missions,
        rows: ControlRows,
        places: Places,
        clock: Clock,
        reserving: Reserving,
    ) -> None:
        self._log = log
        self._missions = missions
        self._rows = rows
        self._places = places
        self._clock = clock
        self._reserving = reserving
        self._locks: WeakValueDictionary[UserId, asyncio.Lock] = WeakValueDictionary()

    async def get(self, actor: Actor, mission_id: MissionId) -> Mission:
        """A mission of the actor's that is no task.

        Raises:
            NotFound: It does not exist, or is not the actor's (`mission.not_found`).
        """
        mission = await self.get_any(actor, mission_id)
        if mission.kind is MissionKind.TASK:
            raise _not_found(mission_id)
        return mission

    async def get_any(self, actor: Actor, mission_id: MissionId) -> Mission:
        """A mission of the actor's, or a task.

        Raises:
            NotFound: It does not exist, or is not the actor's (`mission.not_found`).
        """
        if not is_uuid(mission_id):
            raise _not_found(mission_id)
        try:
            return await self._missions.get(mission_id, owner=actor.user_id)
        except NotFound:
            raise _not_found(mission_id) from None

    async def current(self, actor: Actor) -> Mission | None:
        """The actor's current mission."""
        return await self._missions.current(owner=actor.user_id)

    async def newest(self, actor: Actor) -> int:
        """The `owner_seq` of the newest record of all that is the actor's."""
        return (await self._rows.place(owner=actor.user_id)).last_seq

    async def backend_of(self, mission_id: MissionId) -> str | None:
        """Who carries out the runs of a mission that the caller has got; none is the default."""
        (created, *_) = await self._log.read(mission_id, limit=1)
        return created.event.backend if isinstance(created.event, MissionCreated) else None

    async def ensure_current(
        self, actor: Actor, model: str | None, backend: str | None = None
    ) -> Mission:
        """The actor's current mission, made if there is none."""
        # So that two first messages do not make two.
        lock = self._locks.setdefault(actor.user_id, asyncio.Lock())
        async with lock:
            new = NewMission(model=model, backend=backend)
            return await self.current(actor) or await self.create(actor, new)

    async def create(self, actor: Actor, new: NewMission, *, key: str | None = None) -> Mission:
        """Make a mission; it is current from now on.

        Args:
            actor: Whose it is.
            new: What it is made with.
            key: Made by the client; the same key again returns the mission of the first time.

        Raises:
            Invalid: The title is too long, or the model, the directory or the backend unusable.
            Unavailable: The backend has to be asked for its models, and cannot be.
            Conflict: The key was used for another request.
        """
        title = None if new.title is None or not new.title.strip() else checked_title(new.title)
        backend = self._places.checked_backend(new.backend)
        is_named = bool((new.model or "").strip())
        model = await self._places.checked_model(new.model, backend) if is_named else None
        mission_id = MissionId(new_uuid())
        choice = choice_of(new.working_dir, new.workspace)
        place = await self._reserving.reserve(actor, choice, mission_id, "mission")
        created = MissionCreated(
            owner_id=actor.user_id,
            kind=MissionKind.MISSION,
            title=title,
            workspace=place.path,
            workspace_id=place.workspace_id,
            is_workspace_ours=place.is_ours,
            host_id=self._places.host_id,
            model=model,
            backend=backend,
        )
        asked = [new.title, new.model, new.working_dir, *digest_fields(new.workspace)]
        fields = json.dumps([*asked, *([new.backend] if new.backend else [])])
        digest = hashlib.sha256(fields.encode()).hexdigest()
        try:
            opened = await self._log.open_mission(mission_id, created, None, key=key, digest=digest)
        except OpenAgentError:
            await self._reserving.give_up(place)
            raise
        if not opened.is_new:
            await self._reserving.give_up(place)
        else:
            await self.select(actor, opened.mission, is_new=True)
        return opened.mission

    async def select(self, actor: Actor, mission: Mission, *, is_new: bool = False) -> None:
        """Make a mission that the caller has got the current one; of a new one, say so surely."""
        place = await self._rows.place(owner=actor.user_id)
        if is_new or place.current_mission != mission.id:
            await self._log.append_external(
                mission.id,
                MissionSelected(by=actor.user_id),
                key=f"select:{new_uuid()}",
                owner=actor.user_id,
            )

    async def rename(self, actor: Actor, mission_id: MissionId, title: str) -> Mission:
        """Give a mission another title.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Invalid: The title is blank or too long (`title.invalid`).
        """
        mission = await self.get(actor, mission_id)
        title = checked_title(title)
        if title != mission.title:
            await self._log.append_external(
                mission.id,
                MissionRenamed(title=title, by=actor.user_id),
                key=f"rename:{new_uuid()}",
                owner=actor.user_id,
            )
        return await self.get(actor, mission_id)

    async def set_status(self, actor: Actor, mission_id: MissionId, status: MissionStatus) -> None:
        """Say how the goal stands; what runs goes on.

        Raises:
            NotFound: It does not exist, or is not the actor's.
        """
        mission = await self.get(actor, mission_id)
        if status is not mission.status:
            await self._log.append_external(
                mission.id,
                MissionStatusChanged(status=status, by="person"),
                key=f"status:{new_uuid()}",
                owner=actor.user_id,
            )

    async def page(
        self,
        actor: Actor,
        where: MissionFilter,
        order: MissionOrder,
        *,
        after: str | None,
        limit: int,
    ) -> MissionPage:
        """The actor's missions; `after` is the `next` of the page before.

        Raises:
            Invalid: `after` is not a cursor of this list (`cursor.invalid`).
        """
        return await self._missions.page(
            owner=actor.user_id, after=after, limit=limit, where=where, order=order
        )

    async def search(
        self, actor: Actor, question: str, where: MissionFilter, *, limit: int
    ) -> list[Found]:
        """The actor's missions in which something was said with the words of a question."""
        return await self._missions.search(question, owner=actor.user_id, limit=limit, where=where)

    async def histories(
        self, actor: Actor, missions: Sequence[Mission]
    ) -> dict[MissionId, list[Said]]:
        """What was said in missions that the caller has got."""
        ids = [mission.id for mission in missions]
        return await self._missions.history(ids, owner=actor.user_id)

    async def at_work(self, actor: Actor) -> list[Mission]:
        """The actor's missions with something to do."""
        return await self._rows.at_work(owner=actor.user_id)

    def seconds_at_rest(self, mission: Mission) -> int:
        """Since when nothing has happened to a mission."""
        return max(0, int((self._clock.now() - mission.updated_at).total_seconds()))


def is_resumable(mission: Mission) -> bool:
    """Whether a mission stopped before its goal, with nothing that goes on by itself."""
    if mission.run_state in AT_WORK:
        return False
    if mission.status in _INTERRUPTED:
        return True
    return mission.status is MissionStatus.ACTIVE and mission.outcome in _ENDED_BADLY


def _not_found(mission_id: MissionId) -> NotFound:
    return NotFound("mission.not_found", f"Mission {mission_id} not found")
