"""Workspaces as people ask for them: listed, made, compared, merged, kept and removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, Invalid, NotFound, OpenAgentError
from open_agent.core.ids import MissionId, WorkspaceId, is_uuid
from open_agent.core.mission import TOP_LEVEL, Mission
from open_agent.core.workspace import MADE, WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.services.workspaces.choosing import WorkspaceChoice, kind_of
from open_agent.services.workspaces.disk import own_entry
from open_agent.services.workspaces.ending import Ending, Removed
from open_agent.services.workspaces.git import GitFailed
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.looking import Diff, Progress, diff_of, look_at
from open_agent.services.workspaces.making import Making
from open_agent.services.workspaces.merging import Merged, Merging
from open_agent.services.workspaces.reserving import Reserving
from open_agent.store.control import AT_WORK
from open_agent.store.paging import MissionFilter
from open_agent.store.rows import to_micros
from open_agent.store.workspaces import workspace_not_found

MOST_MISSIONS = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A workspace as it is shown.

    Attributes:
        missions: That work in it, the newest first.
        making: How far its making is.
        progress: What was done in it; only where one is asked for.
        is_here: It is on this machine.
    """

    entry: WorkspaceEntry
    missions: tuple[MissionId, ...]
    making: str | None
    is_here: bool
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class WorkspacePage:
    """Some workspaces, newest first, and where the next page begins; none on the last."""

    items: tuple[Shown, ...]
    next: str | None


class Workspaces:
    """What people do with workspaces."""

    def __init__(
        self,
        ground: WorkspaceGround,
        making: Making,
        merging: Merging,
        ending: Ending,
        reserving: Reserving,
    ) -> None:
        self._ground = ground
        self._making = making
        self._merging = merging
        self._ending = ending
        self._reserving = reserving

    async def page(self, actor: Actor, *, after: str | None, limit: int) -> WorkspacePage:
        """The actor's workspaces; a page may hold fewer than `limit` and have a next one.

        Raises:
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        if after is not None and "\0" in after:
            raise Invalid("cursor.invalid", "This cursor is not one of ours; begin without one.")
        owner = actor.user_id
        rows = await self._ground.rows.page(owner=owner, after=after, limit=limit + 1)
        missions = await self._ground.missions.page(
            owner=owner, after=after, limit=limit + 1, where=MissionFilter(kinds=TOP_LEVEL)
        )
        places: dict[tuple[int, str], WorkspaceEntry | Mission] = {
            (to_micros(mission.created_at), mission.id): mission for mission in missions.items
        }
        places |= {(to_micros(entry.created_at), entry.id): entry for entry in rows}
        order = sorted(places, reverse=True)
        shown = order[:limit]
        following = f"{shown[-1][0]}.{shown[-1][1]}" if len(order) > limit else None
        return WorkspacePage(
            tuple(await self._shown(actor, [places[at] for at in shown])), following
        )

    async def get(self, actor: Actor, workspace_id: WorkspaceId) -> Shown:
        """One of the actor's, with what was done in it.

        Raises:
            NotFound: It does not exist, or is not the actor's (`workspace.not_found`).
        """
        entry = await self._entry(actor, workspace_id)
        (shown,) = await self._shown(actor, [entry])
        if entry.kind not in MADE or entry.state is not WorkspaceState.READY or not shown.is_here:
            return shown
        try:
            progress = await look_at(self._ground.git, entry)
        except (GitFailed, OpenAgentError):
            return shown
        return Shown(entry, shown.missions, shown.making, shown.is_here, progress)

    async def make(self, actor: Actor, choice: WorkspaceChoice) -> Shown:
        """Begin to make a workspace for missions to come; it is kept until it is removed.

        Raises:
            Invalid: It cannot be made; the code says what is wrong.
            LimitReached: There is no room (`disk.full`).
        """
        if kind_of(choice) not in MADE:
            raise Invalid(
                "workspace.unclear",
                "Give `url` for a clone or `repository` for a worktree. Other workspaces come "
                "with their mission.",
            )
        entry = await self._reserving.write_down(actor, choice, None, None)
        self._making.begin(entry.id)
        (shown,) = await self._shown(actor, [entry])
        return shown

    async def diff(self, actor: Actor, workspace_id: WorkspaceId, *, most_bytes: int) -> Diff:
        """All that was changed in a workspace since it began, committed or not.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: It is not there, or began at no commit (`workspace.no_base`).
        """
        entry = await self._usable(actor, workspace_id)
        if entry.base_commit is None:
            raise Conflict(
                "workspace.no_base",
                f"A workspace of kind {entry.kind} began at no commit, so there is nothing to "
                "compare it with.",
            )
        try:
            return await diff_of(self._ground.git, entry, most_bytes=most_bytes)
        except GitFailed as error:
            raise _git_failed(error) from error

    async def merge(
        self, actor: Actor, workspace_id: WorkspaceId, *, into: str | None, message: str | None
    ) -> Merged:
        """Merge what is committed in a worktree into the branch it began at, or another one.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: It cannot be done without forcing; the code and the message say what to do.
        """
        entry = await self._usable(actor, workspace_id)
        if entry.kind is not WorkspaceKind.WORKTREE:
            raise Conflict(
                "workspace.not_mergeable",
                "Only a worktree is merged here. Of a clone, push the branch to where it came from.",
            )
        try:
            return await self._merging.merge(entry, into, message)
        except GitFailed as error:
            raise _git_failed(error) from error

    async def keep(self, actor: Actor, workspace_id: WorkspaceId, *, is_kept: bool) -> Shown:
        """Let a workspace outlive its missions, or not.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: A person named it, so that it stays anyway.
        """
        entry = await self._entry(actor, workspace_id)
        if entry.kind is WorkspaceKind.DIRECTORY:
            raise Conflict("workspace.named", "A directory that a person named is never removed.")
        if entry.kind is WorkspaceKind.OWN:
            await self._ground.rows.add(entry, owner=actor.user_id)
        await self._ground.rows.keep(entry.id, is_kept, owner=actor.user_id)
        return await self.get(actor, workspace_id)

    async def remove(
        self, actor: Actor, workspace_id: WorkspaceId, *, is_forced: bool = False
    ) -> Removed:
        """Remove a workspace in which nobody works.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: A run works in it (`workspace.in_use`), it holds what would be lost
                (`workspace.unsaved`), or it is not ours.
        """
        entry = await self._entry(actor, workspace_id)
        missions = await self._missions(actor, entry)
        busy = await self._at_work(actor, entry)
        if busy:
            raise Conflict(
                "workspace.in_use",
                f"Mission {busy[0]} works in it. Cancel that first.",
                {"missions": busy},
            )
        if entry.host_id != self._ground.places.host_id:
            if not is_forced:
                raise _elsewhere(entry)
            removed = Removed(
                note=f"Its files, in {entry.path} on another machine, are still there."
            )
            gone = entry.model_copy(update={"state": WorkspaceState.REMOVED})
            await self._ground.rows.settle_for_system(gone)
        else:
            if entry.kind is WorkspaceKind.OWN:
                await self._ground.rows.add(entry, owner=actor.user_id)
            try:
                removed = await self._ending.remove(entry, is_forced=is_forced)
            except GitFailed as error:
                raise Conflict(
                    "workspace.git_failed",
                    f"git cannot say what would be lost: {error}. Take from {entry.path} what you "
                    "need, then remove it with `force`.",
                ) from error
        if not missions:
            await self._ground.rows.delete_for_system(entry.id)
        return removed

    async def _entry(self, actor: Actor, workspace_id: WorkspaceId) -> WorkspaceEntry:
        if not is_uuid(workspace_id):
            raise workspace_not_found(workspace_id)
        try:
            entry = await self._ground.rows.get(workspace_id, owner=actor.user_id)
        except NotFound:
            pass
        else:
            if entry.state is WorkspaceState.REMOVED and entry.kind is not WorkspaceKind.OWN:
                raise workspace_not_found(workspace_id)
            return entry
        try:
            mission = await self._ground.missions.get(MissionId(workspace_id), owner=actor.user_id)
        except NotFound:
            raise workspace_not_found(workspace_id) from None
        if mission.kind not in TOP_LEVEL or mission.workspace_id is not None:
            raise workspace_not_found(workspace_id)
        return self._of_mission(mission)

    async def _usable(self, actor: Actor, workspace_id: WorkspaceId) -> WorkspaceEntry:
        entry = await self._entry(actor, workspace_id)
        if entry.host_id != self._ground.places.host_id:
            raise _elsewhere(entry)
        if entry.state is not WorkspaceState.READY:
            raise Conflict(
                "workspace.not_ready",
                f"The workspace is not ready: it is {entry.state}."
                + (f" {entry.problem}" if entry.problem else ""),
                {"state": entry.state},
            )
        if not await anyio.Path(entry.path).is_dir():
            raise Conflict(
                "workspace.gone",
                f"The directory {entry.path} is not there any more. Put it back, or remove the "
                "workspace.",
                {"path": entry.path},
            )
        return entry

    def _of_mission(self, mission: Mission) -> WorkspaceEntry:
        # A person may name a directory that lies among ours, even another mission's.
        is_own = self._ground.places.is_own_of(mission.id, Path(mission.workspace))
        kind = WorkspaceKind.OWN if is_own else WorkspaceKind.DIRECTORY
        return own_entry(mission, self._ground.isolation.name, kind)

    async def _shown(self, actor: Actor, found: Sequence[WorkspaceEntry | Mission]) -> list[Shown]:
        bare = [WorkspaceId(each.id) for each in found if isinstance(each, Mission)]
        known = await self._ground.rows.some(bare, owner=actor.user_id)
        shown: list[Shown] = []
        for each in found:
            entry = self._of_mission(each) if isinstance(each, Mission) else each
            # One that works in a clone or a worktree is listed with that; a removed one is not.
            if isinstance(each, Mission) and (each.workspace_id or entry.id in known):
                continue
            missions = await self._missions(actor, entry)
            shown.append(
                Shown(
                    entry,
                    tuple(mission.id for mission in missions),
                    self._making.progress(entry.id),
                    entry.host_id == self._ground.places.host_id,
                )
            )
        return shown

    async def _missions(self, actor: Actor, entry: WorkspaceEntry) -> Sequence[Mission]:
        if entry.kind in MADE:
            page = await self._ground.missions.page(
                owner=actor.user_id,
                limit=MOST_MISSIONS,
                where=MissionFilter(workspace=entry.id),
            )
            return page.items
        try:
            return [await self._ground.missions.get(MissionId(entry.id), owner=actor.user_id)]
        except NotFound:
            return []

    async def _at_work(self, actor: Actor, entry: WorkspaceEntry) -> list[MissionId]:
        """What has something to do in a workspace's directory, whoever named it."""
        where = MissionFilter(run_states=tuple(sorted(AT_WORK)), directory=entry.path)
        page = await self._ground.missions.page(
            owner=actor.user_id, limit=MOST_MISSIONS, where=where
        )
        return [mission.id for mission in page.items if mission.host_id == entry.host_id]


def _elsewhere(entry: WorkspaceEntry) -> Conflict:
    return Conflict(
        "workspace.elsewhere",
        f"The workspace is on another machine, in {entry.path}. Ask the server there.",
        {"path": entry.path},
    )


def _git_failed(error: GitFailed) -> Conflict:
    return Conflict("workspace.git_failed", f"git could not do it: {error}")
