"""Deleting missions with all that belongs to them, and setting aside those that lie still."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from open_agent.core.actor import Actor
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, NotFound, OpenAgentError, Unavailable
from open_agent.core.ids import MissionId, is_uuid
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.events.blobs import BlobStore
from open_agent.events.log import EventLog
from open_agent.events.model.mission import (
    MissionCreated,
    MissionDeleted,
    MissionStatusChanged,
)
from open_agent.services.access.audit import Audit
from open_agent.services.control.conversations import Conversations
from open_agent.services.places import Places, remove_tree
from open_agent.services.workspaces.leaving import Leaving
from open_agent.store.control import AT_WORK
from open_agent.store.missions import Missions
from open_agent.workspaces.processes import ProcessPort

LOOK_SECONDS = 3600.0
"""How often it is looked for missions that lie still."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Belongings:
    """What missions have beside their events."""

    blobs: BlobStore
    processes: ProcessPort
    places: Places
    leaving: Leaving

    async def plan(self, mission: Mission, created: MissionCreated | None) -> str:
        """Note what is to be removed, so that a crash after the deletion leaves nothing behind.

        Returns the directory to remove, if it is one of ours; one that a person named stays.
        """
        path = Path(mission.workspace)
        is_ours = created is not None and created.is_workspace_ours and self.places.is_own(path)
        # Clones and worktrees have rows, by which they are found again.
        is_plain = is_ours and mission.workspace_id is None
        is_removed = is_plain and not await self.leaving.is_kept(mission)
        workspace = str(path) if is_removed else ""
        await anyio.to_thread.run_sync(_write_plan, self._plans / mission.id, workspace)
        return workspace

    async def remove(self, mission_id: MissionId, workspace: str | None = None) -> None:
        """Remove what a deleted mission had: as it is known, or else as it was planned.

        Raises:
            Unavailable: Some of it cannot be removed now (`storage.failed`).
        """
        await self.processes.end_mission(mission_id)
        await self.blobs.delete_all(mission_id)
        try:
            await anyio.to_thread.run_sync(_carry_out, self._plans / mission_id, workspace)
        except OSError as error:
            raise Unavailable(
                "storage.failed",
                "The mission is deleted, but its directory could not be removed: "
                f"{error}. It is tried again when the server starts.",
            ) from error

    async def forget(self, mission_id: MissionId) -> None:
        """Drop a plan: the mission was not deleted."""
        await anyio.to_thread.run_sync(lambda: (self._plans / mission_id).unlink(missing_ok=True))

    async def planned(self) -> list[MissionId]:
        """Missions whose removal was planned and has not come to its end."""
        return await anyio.to_thread.run_sync(_planned, self._plans)

    @property
    def _plans(self) -> Path:
        return self.places.data_dir / "removals"


class Removal:
    """Deletes missions."""

    def __init__(
        self,
        log: EventLog,
        missions: Missions,
        conversations: Conversations,
        belongings: Belongings,
        audit: Audit,
    ) -> None:
        self._log = log
        self._missions = missions
        self._conversations = conversations
        self._belongings = belongings
        self._audit = audit

    async def delete(self, actor: Actor, mission_id: MissionId) -> list[str]:
        """Delete a mission and what it delegated, with all that they kept.

        Returns what a person should know of what stays.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: It runs (`mission.running`).
        """
        while True:
            mission = await self._conversations.get(actor, mission_id)
            if mission.kind is MissionKind.CHILD:
                raise Conflict(
                    "mission.delegated", "A delegated mission is deleted with its parent."
                )
            if mission.run_state in AT_WORK:
                raise Conflict(
                    "mission.running", "Cannot delete a running mission. Cancel it first."
                )
            try:
                return await self._delete(actor, mission)
            except Conflict as error:
                # Something has happened since: a message that was accepted is not thrown away.
                if error.code != "mission.changed":
                    raise

    async def clean_up(self, actor: Actor) -> int:
        """Delete the actor's missions that nobody named or spoke to; returns how many."""
        count = 0
        for mission in await self._missions.empty(owner=actor.user_id):
            try:
                await self._delete(actor, mission)
            except (NotFound, Conflict):
                continue  # Somebody was quicker, to delete it or to speak to it.
            count += 1
        return count

    async def _delete(self, actor: Actor, mission: Mission) -> list[str]:
        every = [mission, *await self._below(actor, mission)]
        found = [(each, await self._created(each)) for each in every]
        workspaces = [await self._belongings.plan(each, created) for each, created in found]
        children = [child.id for child in every[1:]]
        try:
            # Events first: who had the lease can append no more, and nothing shows the rest.
            await self._log.delete_mission(
                mission.id,
                children,
                by=actor.user_id,
                owner=actor.user_id,
                known_seq=mission.last_seq,
            )
        except Conflict:
            for each in every:
                await self._belongings.forget(each.id)
            raise
        for each, workspace in zip(every, workspaces, strict=True):
            await self._belongings.remove(each.id, workspace)
        note = await self._belongings.leaving.left_by(mission)
        details = {"title": mission.title, "delegated": len(every) - 1}
        await self._audit.record(actor, "mission.deleted", mission.id, details)
        return [note] if note else []

    async def finish(self) -> None:
        """Carry out removals that the end of an earlier server cut off."""
        for mission_id in await self._belongings.planned():
            try:
                if await self._is_deleted(mission_id):
                    await self._belongings.remove(mission_id)
                else:
                    await self._belongings.forget(mission_id)
            except OpenAgentError as error:
                log.warning("removal.failed", mission_id=mission_id, message=error.message)

    async def _is_deleted(self, mission_id: MissionId) -> bool:
        # All that the log has of a deleted mission is that it was deleted. Where it has nothing,
        # the plan was made over another database, in which the mission may be alive.
        records = await self._log.read(mission_id, limit=1)
        return bool(records) and isinstance(records[0].event, MissionDeleted)

    async def _created(self, mission: Mission) -> MissionCreated | None:
        records = await self._log.read(mission.id, limit=1)
        event = records[0].event if records else None
        return event if isinstance(event, MissionCreated) else None

    async def _below(self, actor: Actor, mission: Mission) -> Sequence[Mission]:
        found: list[Mission] = []
        for child in await self._missions.children(mission.id, owner=actor.user_id):
            found += [child, *await self._below(actor, child)]
        return found


def _write_plan(path: Path, workspace: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(workspace)
        file.flush()
        os.fsync(file.fileno())


def _carry_out(path: Path, workspace: str | None) -> None:
    # Who deletes knows what: the plan may be gone, by somebody who deleted it at the same time.
    if workspace is None and path.exists():
        workspace = path.read_text(encoding="utf-8", errors="surrogateescape")
    if workspace:
        remove_tree(Path(workspace))
    path.unlink(missing_ok=True)


def _planned(folder: Path) -> list[MissionId]:
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    return [MissionId(name) for name in names if is_uuid(name)]


class Stale:
    """Sets aside active missions to which nothing happens any more."""

    def __init__(self, log: EventLog, missions: Missions, clock: Clock, *, hours: int) -> None:
        self._log = log
        self._missions = missions
        self._clock = clock
        self._hours = hours

    async def keep_watch(self) -> None:
        """Look for them every hour, for ever; never, where that is switched off."""
        while self._hours:
            try:
                await self.park()
            except OpenAgentError as error:
                log.warning("stale.failed", code=error.code, message=error.message)
            await anyio.sleep(LOOK_SECONDS)

    async def park(self) -> int:
        """Mark as interrupted, and so as resumable, what lies still; returns how many."""
        before = self._clock.now() - timedelta(hours=self._hours)
        count = 0
        while found := await self._missions.stale_for_system(before):
            for mission in found:
                await self._log.append_external(
                    mission.id,
                    MissionStatusChanged(
                        status=MissionStatus.INTERRUPTED,
                        summary=f"Nothing has happened for {self._hours} hours.",
                        by="system",
                    ),
                    key=f"stale:{mission.last_seq}",
                    owner=mission.owner_id,
                )
                count += 1
        return count
