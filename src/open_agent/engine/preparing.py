"""Seeing to it that a run has a place to work in, before it works.

A clone or a worktree may have to be made first, and a directory may have gone since the last run.
How workspaces are made is known above (`services/workspaces/`); what their making means for a run
is decided here: it waits, it can be cancelled, and it ends by name where there is no place.
"""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio

from open_agent.agent.context import RunContext
from open_agent.agent.instructions import read_instructions
from open_agent.agent.loop import finish
from open_agent.agent.moves import Stop, next_move
from open_agent.core.ids import CallId, MissionId, WorkspaceId
from open_agent.core.run import Outcome
from open_agent.events.delta import DeltaSource
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.workspace import WorkspaceAwaited, WorkspacePrepared

PROGRESS = CallId("workspace")
"""Under which live output the progress of making is shown."""
LOOK_SECONDS = 0.5
"""How often it is looked whether the server is stopping."""


class WorkspaceUnusable(Exception):
    """There is no place to work in.

    Args:
        code: Stable and dotted; the reason that the run ends with.
        message: For a person: what is wrong, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Prepared:
    """A workspace that is there.

    Attributes:
        note: What the model should know of it.
    """

    path: str
    branch: str | None
    base_commit: str | None
    note: str


class Preparation(Protocol):
    """Makes workspaces."""

    async def awaited(self, workspace_id: WorkspaceId) -> str | None:
        """What is still to be made, for a person; nothing when it is there.

        Raises:
            WorkspaceUnusable: It cannot be used here, whatever is done.
        """
        ...

    async def make(
        self, workspace_id: WorkspaceId, mission_id: MissionId, say: Callable[[str], None]
    ) -> Prepared:
        """Make it, or wait until whoever makes it has done so; `say` hears how far it is.

        Cancelled, it is stopped at once, unless somebody else waits for it too.

        Raises:
            WorkspaceUnusable: It cannot be made.
        """
        ...


async def prepare(ctx: RunContext, preparation: Preparation) -> bool:
    """Whether the active run has a place; if not, it has ended, or is to be looked at again."""
    try:
        if ctx.state.workspace_id is not None:
            awaited = await preparation.awaited(ctx.state.workspace_id)
            if awaited is not None:
                return await _make(ctx, preparation, ctx.state.workspace_id, awaited)
        await _check_directory(ctx)
    except WorkspaceUnusable as error:
        await finish(ctx, Stop(Outcome.FAILED, error.code, error.message))
        return False
    return True


async def _make(
    ctx: RunContext, preparation: Preparation, workspace_id: WorkspaceId, awaited: str
) -> bool:
    if await _is_stopped(ctx):
        return False
    await ctx.append(WorkspaceAwaited(workspace_id=workspace_id, message=awaited))
    prepared: Prepared | None = None
    with ctx.interruptible():
        prepared = await _unless_draining(ctx, preparation, workspace_id)
    if prepared is not None:
        await ctx.append(
            WorkspacePrepared(
                workspace_id=workspace_id,
                path=prepared.path,
                branch=prepared.branch,
                base_commit=prepared.base_commit,
                instructions=await read_instructions(ctx.workspace),
            ),
            NoticeGiven(kind="note", content=prepared.note),
        )
    # Looked at again: a cancel may have come, or the server may be stopping.
    await _is_stopped(ctx)
    return False


async def _unless_draining(
    ctx: RunContext, preparation: Preparation, workspace_id: WorkspaceId
) -> Prepared | None:
    """The workspace; nothing when the server stops first, and it is made after its next start."""
    source = DeltaSource(ctx.mission_id, ctx.run.run_id, 0, PROGRESS)
    stream = ctx.shared.deltas.open(source)
    made: list[Prepared] = []
    failed: list[WorkspaceUnusable] = []

    async def make(scope: anyio.CancelScope) -> None:
        try:
            made.append(
                await preparation.make(
                    workspace_id, ctx.mission_id, lambda text: stream.write("output", text + "\n")
                )
            )
        except WorkspaceUnusable as error:
            failed.append(error)
        scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(make, group.cancel_scope)
            while not ctx.is_draining:  # noqa: ASYNC110 - a flag, of which nothing tells
                await anyio.sleep(LOOK_SECONDS)
            group.cancel_scope.cancel()
    finally:
        stream.close()
    if failed:
        raise failed[0]
    return made[0] if made else None


async def _is_stopped(ctx: RunContext) -> bool:
    """Whether a person has stopped the run, which has then ended."""
    await ctx.catch_up()
    run = ctx.state.run
    if run is None:
        return True
    if not (run.is_cancelled or run.is_interrupted) or run.unanswered:
        return False
    move = next_move(ctx.view, ctx.shared.rules, ctx.now)
    if isinstance(move, Stop):
        await finish(ctx, move)
    return True


async def _check_directory(ctx: RunContext) -> None:
    root = ctx.workspace.root
    try:
        found = await ctx.workspace.stat(root)
    except FileNotFoundError:
        raise WorkspaceUnusable(
            "workspace.gone",
            f"The directory {root} is not there any more. Put it back and send a message to go "
            "on, or begin a new mission in another one.",
        ) from None
    except OSError as error:
        raise WorkspaceUnusable(
            "workspace.unusable",
            f"The directory {root} cannot be used: {error.strerror or error}. Mend that and send "
            "a message to go on.",
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise WorkspaceUnusable(
            "workspace.unusable",
            f"{root} is no directory. Move away what is there and send a message to go on.",
        )
