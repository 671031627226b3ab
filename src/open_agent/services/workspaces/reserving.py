"""Giving a new mission its place: an empty directory, a named one, or a workspace that is made."""

from dataclasses import dataclass
from pathlib import Path

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, Invalid, NotFound
from open_agent.core.ids import MissionId, WorkspaceId, is_uuid, new_uuid
from open_agent.core.mission import Mission
from open_agent.core.workspace import (
    MADE,
    WorkspaceEntry,
    WorkspaceKind,
    WorkspaceState,
)
from open_agent.events.model.mission import MissionCreated
from open_agent.services.workspaces.choosing import (
    Plan,
    WorkspaceChoice,
    kind_of,
    plan_of,
)
from open_agent.services.workspaces.disk import DiskWatch
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.making import Making
from open_agent.services.workspaces.worktrees import Worktrees
from open_agent.store.workspaces import workspace_not_found


@dataclass(frozen=True, slots=True)
class Reservation:
    """The place of a mission that is about to begin.

    Attributes:
        workspace_id: Of one that has to be made.
        is_ours: We make the directory; false when somebody named it.
        is_new: It was written down for this mission.
    """

    path: str
    workspace_id: WorkspaceId | None
    is_ours: bool
    is_new: bool = False


class Reserving:
    """Reserves places, and writes down what is to be made."""

    def __init__(
        self, ground: WorkspaceGround, making: Making, worktrees: Worktrees, disk: DiskWatch
    ) -> None:
        self._ground = ground
        self._making = making
        self._worktrees = worktrees
        self._disk = disk

    async def reserve(
        self, actor: Actor, choice: WorkspaceChoice, mission_id: MissionId, kind: str
    ) -> Reservation:
        """The place of a new mission.

        Raises:
            Invalid: It cannot be had; the code says what is wrong.
            NotFound: There is no such workspace, or it is not the actor's.
            Conflict: The workspace cannot be used.
            LimitReached: There is no room (`disk.full`).
        """
        wanted = kind_of(choice)
        places = self._ground.places
        if wanted is None:
            assert choice.id is not None
            return await self._existing(actor, choice.id)
        if wanted is WorkspaceKind.DIRECTORY:
            path = await places.workspace(mission_id, choice.path, kind)
            return Reservation(str(path), None, is_ours=False)
        self._disk.refuse_when_full()
        path = places.own_workspace(mission_id, kind)
        if wanted is WorkspaceKind.OWN:
            return Reservation(str(path), None, is_ours=True)
        entry = await self.write_down(actor, choice, path, mission_id)
        return Reservation(entry.path, entry.id, is_ours=True, is_new=True)

    async def reserve_for_fork(
        self, actor: Actor, mission: Mission, created: MissionCreated, fork_id: MissionId
    ) -> Reservation:
        """The place of a fork: of the same kind, and never the other's own.

        A worktree begins where the other one's branch is now; a clone is cloned again.

        Raises:
            OpenAgentError: It cannot be had, as `reserve` has it.
        """
        if not created.is_workspace_ours:
            return Reservation(created.workspace, None, is_ours=False)
        choice = WorkspaceChoice()
        if mission.workspace_id is not None:
            choice = await self._choice_of(actor, mission.workspace_id)
        return await self.reserve(actor, choice, fork_id, "mission")

    async def _choice_of(self, actor: Actor, workspace_id: WorkspaceId) -> WorkspaceChoice:
        """How to make another one like a workspace."""
        try:
            entry = await self._ground.rows.get(workspace_id, owner=actor.user_id)
        except NotFound:
            return WorkspaceChoice()
        recipe = entry.recipe
        if entry.kind is WorkspaceKind.WORKTREE:
            is_begun = entry.branch is not None and entry.base_commit is not None
            ref = entry.branch if is_begun else recipe.ref
            return WorkspaceChoice(repository=recipe.source, ref=ref, has_lfs=recipe.has_lfs)
        return WorkspaceChoice(
            url=recipe.source,
            ref=recipe.ref,
            depth=recipe.depth,
            has_submodules=recipe.has_submodules,
            has_lfs=recipe.has_lfs,
        )

    async def give_up(self, reservation: Reservation) -> None:
        """Forget what was reserved: the mission was not begun."""
        if reservation.is_new and reservation.workspace_id is not None:
            await self._making.stop(reservation.workspace_id)
            await self._ground.rows.delete_for_system(reservation.workspace_id)

    async def write_down(
        self,
        actor: Actor,
        choice: WorkspaceChoice,
        path: Path | None,
        mission_id: MissionId | None,
    ) -> WorkspaceEntry:
        """Write down a clone or worktree that is to be made.

        Args:
            actor: Whose it is.
            choice: What it is made of.
            path: Its place; one of its own, if there is none.
            mission_id: For which it is made; without one, it is kept.

        Raises:
            Invalid: It cannot be made; the code says what is wrong.
            LimitReached: There is no room (`disk.full`).
        """
        self._disk.refuse_when_full()
        plan = plan_of(choice, self._ground.limits.protocols)
        workspace_id = WorkspaceId(new_uuid())
        await self._check(plan, mission_id or workspace_id)
        now = self._ground.clock.now()
        places = self._ground.places
        own = places.own_workspace(MissionId(workspace_id), "workspace")
        entry = WorkspaceEntry(
            id=workspace_id,
            owner_id=actor.user_id,
            kind=plan.kind,
            state=WorkspaceState.MAKING,
            path=str(path or own),
            host_id=places.host_id,
            isolation=self._ground.isolation.name,
            recipe=plan.recipe,
            branch=plan.branch,
            mission_id=mission_id,
            is_kept=mission_id is None,
            created_at=now,
            updated_at=now,
        )
        await self._ground.rows.add(entry, owner=actor.user_id)
        self._making.remember(workspace_id, plan.secret)
        return entry

    async def _check(self, plan: Plan, own_id: str) -> None:
        """Find out at once what can be known at once."""
        if plan.kind is WorkspaceKind.WORKTREE:
            await self._worktrees.begin(plan.recipe, plan.branch, own_id)

    async def _existing(self, actor: Actor, workspace_id: WorkspaceId) -> Reservation:
        workspace_id = WorkspaceId(workspace_id.strip().lower())
        if not is_uuid(workspace_id):
            raise workspace_not_found(workspace_id)
        try:
            entry = await self._ground.rows.get(workspace_id, owner=actor.user_id)
        except NotFound:
            entry = None
        if entry is None or entry.kind not in MADE or entry.state is WorkspaceState.REMOVED:
            if entry is not None and entry.state is not WorkspaceState.REMOVED:
                raise Invalid(
                    "workspace.unclear",
                    "Only a clone or a worktree is named by its id. Name a directory as `path`.",
                )
            raise workspace_not_found(workspace_id)
        if entry.host_id != self._ground.places.host_id:
            raise Conflict(
                "workspace.elsewhere", "The workspace is on another machine.", {"path": entry.path}
            )
        return Reservation(entry.path, entry.id, is_ours=True)
