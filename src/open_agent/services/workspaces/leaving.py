"""What becomes of workspaces when missions are deleted, and of what a crash has left behind."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from open_agent.core.errors import NotFound, OpenAgentError
from open_agent.core.ids import MissionId, WorkspaceId, is_uuid
from open_agent.core.mission import TOP_LEVEL, Mission
from open_agent.core.workspace import MADE, WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.services.places import REMOVING, remove_tree
from open_agent.services.workspaces.cloning import TEMPORARY
from open_agent.services.workspaces.ending import Ending
from open_agent.services.workspaces.git import GitFailed
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.making import Making
from open_agent.store.paging import MissionFilter

YOUNGEST = timedelta(minutes=1)
"""A mission may just be opened for a workspace that is younger than this."""
SWEEP_SECONDS = 3600.0

log = structlog.get_logger(__name__)


class Leaving:
    """Removes workspaces that no mission needs any more."""

    def __init__(self, ground: WorkspaceGround, making: Making, ending: Ending) -> None:
        self._ground = ground
        self._making = making
        self._ending = ending

    async def is_kept(self, mission: Mission) -> bool:
        """Whether a mission's own directory is to outlive it: for a person, or another mission."""
        entry = await self._entry(mission)
        return bool(entry and entry.is_kept) or await self._other_in(mission) is not None

    async def left_by(self, mission: Mission) -> str | None:
        """A mission was deleted: remove its workspace, unless it is needed or kept.

        Returns what a person should know of what stays. What cannot be removed now is removed
        later.
        """
        entry = await self._entry(mission)
        if mission.workspace_id is None:
            return await self._own_left_by(mission, entry)
        if entry is None:
            return None
        if entry.is_kept:
            return f"Its workspace {entry.id} is kept, in {entry.path}."
        if entry.host_id != self._ground.places.host_id or await self._is_needed(entry):
            return None
        return await self._leave(entry)

    async def _own_left_by(self, mission: Mission, entry: WorkspaceEntry | None) -> str | None:
        if entry is not None:
            if entry.is_kept and entry.state is WorkspaceState.READY:
                return f"Its directory {entry.path} is kept."
            await self._ground.rows.delete_for_system(entry.id)
        other = await self._other_in(mission)
        return other and f"Its directory {mission.workspace} stays: mission {other} works there."

    async def _entry(self, mission: Mission) -> WorkspaceEntry | None:
        workspace_id = mission.workspace_id or WorkspaceId(mission.id)
        try:
            return await self._ground.rows.get(workspace_id, owner=mission.owner_id)
        except NotFound:
            return None

    async def _other_in(self, mission: Mission) -> MissionId | None:
        """A mission that was given another one's own directory by its path."""
        if not self._ground.places.is_own_of(mission.id, Path(mission.workspace)):
            return None
        where = MissionFilter(kinds=TOP_LEVEL, directory=mission.workspace)
        page = await self._ground.missions.page(owner=mission.owner_id, limit=2, where=where)
        return next((each.id for each in page.items if each.id != mission.id), None)

    async def keep_watch(self) -> None:
        """Remove what was left behind, and go on with what was being made; for ever."""
        is_first = True
        while True:
            try:
                await self._sweep(is_first=is_first)
            except OpenAgentError as error:
                log.warning("workspaces.not_swept", message=error.message)
            await anyio.sleep(YOUNGEST.total_seconds() if is_first else SWEEP_SECONDS)
            is_first = False

    async def _sweep(self, *, is_first: bool) -> None:
        latest = self._ground.clock.now() - YOUNGEST
        making: set[str] = set()
        for entry in await self._ground.rows.on_host_for_system(self._ground.places.host_id):
            if entry.state is WorkspaceState.MAKING:
                making.add(entry.id)
                if is_first and entry.mission_id is None:
                    self._making.begin(entry.id)
            if entry.is_kept or entry.created_at > latest or await self._is_needed(entry):
                continue
            if entry.kind in MADE:
                await self._leave(entry)
            elif not await anyio.Path(entry.path).exists():
                await self._ground.rows.delete_for_system(entry.id)
        if is_first:
            folder = self._ground.places.own_workspace(MissionId("x")).parent
            await anyio.to_thread.run_sync(_clear_temporary, folder, making)

    async def _leave(self, entry: WorkspaceEntry) -> str | None:
        try:
            removed = await self._ending.leave(entry)
        except (GitFailed, OpenAgentError) as error:
            log.warning("workspace.not_removed", workspace_id=entry.id, message=str(error))
            return f"{entry.path} could not be removed now: {error}. It is tried again."
        still = await self._ground.rows.get_for_system(entry.id)
        if still.state is WorkspaceState.REMOVED:
            await self._ground.rows.delete_for_system(entry.id)
        return removed.note

    async def _is_needed(self, entry: WorkspaceEntry) -> bool:
        if entry.kind in (WorkspaceKind.OWN, WorkspaceKind.DIRECTORY):
            try:
                await self._ground.missions.get(MissionId(entry.id), owner=entry.owner_id)
            except NotFound:
                return False
            return True
        where = MissionFilter(workspace=entry.id)
        page = await self._ground.missions.page(owner=entry.owner_id, limit=1, where=where)
        return bool(page.items)


def _clear_temporary(folder: Path, making: set[str]) -> None:
    """Remove what an earlier server had begun to clone or to remove, and nobody asks for any more."""
    if not folder.is_dir():
        return
    for path in folder.glob(f"{REMOVING}*"):
        with suppress(OSError):  # Another server may be about it.
            remove_tree(path)
    for path in folder.glob(f"{TEMPORARY}*"):
        workspace_id = path.name.removeprefix(TEMPORARY)
        if is_uuid(workspace_id) and workspace_id not in making:
            remove_tree(path)
