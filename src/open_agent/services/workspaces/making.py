"""Making workspaces: once, however many wait for it, and again after whatever cut it off.

What is made is written down before it is begun, and called ready when it is whole. Credentials of a
URL are only here, in memory, until the clone is made.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import structlog

from open_agent.core.errors import NotFound, OpenAgentError, Unavailable
from open_agent.core.ids import MissionId, WorkspaceId
from open_agent.core.workspace import Recipe, WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.engine.preparing import Prepared, WorkspaceUnusable
from open_agent.services.workspaces.alone import alone
from open_agent.services.workspaces.choosing import Secret
from open_agent.services.workspaces.cloning import Cloning
from open_agent.services.workspaces.git import GitFailed
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.worktrees import Worktrees
from open_agent.workspaces.local import open_regular
from open_agent.workspaces.processes import ProcessOwner

AT_ONCE = 4
"""Clones and worktrees that are made at the same time."""
STOPPED = "Its making was stopped. The next run in it begins again."
NO_CREDENTIALS = (
    "The credentials that the URL had are not kept when the server stops: make another workspace "
    "with them, or give git a credential helper."
)

log = structlog.get_logger(__name__)

Hear = Callable[[str], None]


@dataclass(slots=True)
class _Job:
    """One that is being made.

    Attributes:
        waiters: Who waits for it; when nobody does any more, it is stopped.
        progress: What git said last.
    """

    task: "asyncio.Task[WorkspaceEntry]"
    waiters: int = 0
    hearers: list[Hear] = field(default_factory=list[Hear])
    progress: str = ""


class Making:
    """Makes clones and worktrees; the `Preparation` of runs."""

    def __init__(self, ground: WorkspaceGround, cloning: Cloning, worktrees: Worktrees) -> None:
        self._ground = ground
        self._cloning = cloning
        self._worktrees = worktrees
        self._jobs: dict[WorkspaceId, _Job] = {}
        self._secrets: dict[WorkspaceId, Secret] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._at_once = anyio.CapacityLimiter(AT_ONCE)
        self._is_closing = False

    def remember(self, workspace_id: WorkspaceId, secret: Secret | None) -> None:
        """Hold the credentials of one that is going to be made."""
        if secret is not None:
            self._secrets[workspace_id] = secret

    def progress(self, workspace_id: WorkspaceId) -> str | None:
        """How far its making is; nothing when it is not being made."""
        job = self._jobs.get(workspace_id)
        return job and job.progress

    def begin(self, workspace_id: WorkspaceId) -> None:
        """Make one that no run waits for."""

        async def make() -> None:
            try:
                await self._wait(workspace_id, None, lambda text: None)
            except WorkspaceUnusable as error:
                log.info("workspace.failed", workspace_id=workspace_id, code=error.code)
            except OpenAgentError as error:
                log.warning("workspace.failed", workspace_id=workspace_id, code=error.code)

        task = asyncio.create_task(make(), name=f"workspace {workspace_id}")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self, workspace_id: WorkspaceId) -> None:
        """End its making, whoever waits for it."""
        job = self._jobs.get(workspace_id)
        if job is not None:
            job.task.cancel()
            await asyncio.wait({job.task})
        self._secrets.pop(workspace_id, None)

    async def close(self) -> None:
        """End whatever is being made. It is begun again after the next start."""
        self._is_closing = True
        for task in [*self._background, *(job.task for job in self._jobs.values())]:
            task.cancel()
            await asyncio.wait({task})

    async def awaited(self, workspace_id: WorkspaceId) -> str | None:
        """What is still to be made; see `Preparation`."""
        try:
            entry = await self._ground.rows.get_for_system(workspace_id)
        except NotFound:
            raise _removed(workspace_id) from None
        if entry.state is WorkspaceState.REMOVED:
            raise _removed(workspace_id)
        if entry.host_id != self._ground.places.host_id:
            raise WorkspaceUnusable(
                "workspace.elsewhere",
                f"The workspace is on another machine, in {entry.path}. Its runs can only be "
                "carried out there.",
            )
        return None if entry.state is WorkspaceState.READY else _told(entry)

    async def make(self, workspace_id: WorkspaceId, mission_id: MissionId, say: Hear) -> Prepared:
        """Make it, or wait for whoever does; see `Preparation`."""
        entry = await self._wait(workspace_id, mission_id, say)
        return Prepared(entry.path, entry.branch, entry.base_commit, note_of(entry))

    async def _wait(
        self, workspace_id: WorkspaceId, mission_id: MissionId | None, say: Hear
    ) -> WorkspaceEntry:
        job = self._jobs.get(workspace_id)
        if job is None:
            making = self._make(workspace_id, ProcessOwner(mission_id))
            job = self._jobs[workspace_id] = _Job(asyncio.create_task(making))
            job.task.add_done_callback(lambda task: self._forget(workspace_id, task))
        job.waiters += 1
        job.hearers.append(say)
        try:
            return await asyncio.shield(job.task)
        except asyncio.CancelledError:
            if job.task.cancelled() and not _is_cancelled():
                raise WorkspaceUnusable("workspace.stopped", STOPPED) from None
            raise
        finally:
            job.waiters -= 1
            job.hearers.remove(say)
            if not job.waiters and not job.task.done():
                job.task.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait({job.task})

    def _forget(self, workspace_id: WorkspaceId, task: "asyncio.Task[WorkspaceEntry]") -> None:
        del self._jobs[workspace_id]
        if not task.cancelled():
            task.exception()  # Whoever waits has it; nobody may.

    async def _make(self, workspace_id: WorkspaceId, owner: ProcessOwner) -> WorkspaceEntry:
        lock = self._ground.places.data_dir / "making" / workspace_id
        async with self._at_once, alone(lock):
            entry = await self._ground.rows.get_for_system(workspace_id)
            if entry.state is WorkspaceState.READY:
                return entry
            try:
                entry = await self._settle(entry, state=WorkspaceState.MAKING, problem=None)
                changes = await self._carry_out(entry, owner)
            except asyncio.CancelledError:
                if not self._is_closing:
                    with anyio.CancelScope(shield=True):
                        await self._settle(entry, state=WorkspaceState.FAILED, problem=STOPPED)
                raise
            except (GitFailed, OpenAgentError, OSError) as error:
                failed = _failure(entry, error, is_forgotten=workspace_id not in self._secrets)
                await self._settle(entry, state=WorkspaceState.FAILED, problem=failed.message)
                raise failed from error
            self._secrets.pop(workspace_id, None)
            return await self._settle(entry, state=WorkspaceState.READY, **changes)

    async def _carry_out(self, entry: WorkspaceEntry, owner: ProcessOwner) -> dict[str, str | None]:
        if entry.kind is WorkspaceKind.CLONE:
            cloned = await self._cloning.clone(
                entry, self._secrets.get(entry.id), owner, lambda text: self._hear(entry.id, text)
            )
            return {
                "branch": cloned.branch,
                "base": cloned.branch,
                "base_commit": cloned.commit,
                "notes": await _left_out(entry),
            }
        if entry.base_commit is None:
            began = await self._worktrees.begin(
                entry.recipe, entry.branch, entry.mission_id or entry.id
            )
            # Written down before it is made: a later try must know its branch again.
            entry = await self._settle(
                entry, branch=began.branch, base=began.base, base_commit=began.commit
            )
        seconds = float(self._ground.limits.clone_seconds)
        notes = await self._worktrees.add(entry, seconds=seconds)
        return {
            "branch": entry.branch,
            "base": entry.base,
            "base_commit": entry.base_commit,
            "notes": " ".join(filter(None, (notes, await _left_out(entry)))) or None,
        }

    def _hear(self, workspace_id: WorkspaceId, text: str) -> None:
        job = self._jobs.get(workspace_id)
        if job is not None and text != job.progress:
            job.progress = text
            for hear in job.hearers:
                hear(text)

    async def _settle(self, entry: WorkspaceEntry, **changes: object) -> WorkspaceEntry:
        changes["updated_at"] = self._ground.clock.now()
        entry = entry.model_copy(update=changes)
        await self._ground.rows.settle_for_system(entry)
        return entry


def note_of(entry: WorkspaceEntry) -> str:
    """What the model should know of a workspace that was made for it."""
    source, commit = entry.recipe.source, (entry.base_commit or "")[:12]
    where = f"on branch {entry.branch}" if entry.branch else "on no branch"
    if entry.kind is WorkspaceKind.WORKTREE:
        text = (
            f"The working directory is a git worktree of {source}, {where}, new, at {commit}"
            f"{f' of {entry.base}' if entry.base else ''}. Commit your work on this branch; leave "
            f"other branches, and the files in {source} itself, alone."
        )
    else:
        at = f"at {commit}" if commit else "which is empty"
        text = (
            f"The working directory is a clone of {source}, {where}, {at}. Nothing of it is "
            "pushed unless you are asked to."
        )
    return f"{text} {entry.notes}" if entry.notes else text


async def _left_out(entry: WorkspaceEntry) -> str | None:
    """What the repository has elsewhere, and was not fetched."""
    return await anyio.to_thread.run_sync(_not_fetched, Path(entry.path), entry.recipe)


def _not_fetched(path: Path, recipe: Recipe) -> str | None:
    found: list[str] = []
    if not recipe.has_submodules and (path / ".gitmodules").is_file():
        found.append("Submodules were not fetched; `git submodule update --init` does.")
    if not recipe.has_lfs and "filter=lfs" in _head(path / ".gitattributes"):
        found.append("Files that git LFS keeps were not fetched; `git lfs pull` does.")
    return " ".join(found) or None


def _head(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(64 * 1024).decode("utf-8", "replace")
    except OSError:
        return ""


def _told(entry: WorkspaceEntry) -> str:
    if entry.kind is WorkspaceKind.CLONE:
        return f"Cloning {entry.recipe.source}"
    return f"Making a worktree of {entry.recipe.source}"


def _failure(entry: WorkspaceEntry, error: Exception, *, is_forgotten: bool) -> WorkspaceUnusable:
    what = "cloned" if entry.kind is WorkspaceKind.CLONE else "made a worktree of"
    code = "workspace.clone_failed"
    if entry.kind is WorkspaceKind.WORKTREE:
        code = "workspace.worktree_failed"
    message = str(error)
    if isinstance(error, OpenAgentError):
        code, message = error.code, error.message
        if isinstance(error, Unavailable) and code == "git.too_slow":
            code = "workspace.too_slow"
    elif isinstance(error, OSError):
        message = f"{error.strerror or error}: {error.filename or entry.path}"
    hint = "Mend that and send a message to try again."
    if entry.mission_id is None:
        hint = (
            f"Mend that, and make another one; or begin a mission in {entry.id}, which tries again."
        )
    if entry.recipe.had_credentials and is_forgotten:
        hint = NO_CREDENTIALS
    return WorkspaceUnusable(
        code, f"{entry.recipe.source} could not be {what}: {message.rstrip('.')}. {hint}"
    )


def _removed(workspace_id: WorkspaceId) -> WorkspaceUnusable:
    return WorkspaceUnusable(
        "workspace.removed",
        f"The workspace {workspace_id} was removed. Begin a new mission, in another one.",
    )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
