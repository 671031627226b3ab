"""Working on one mission under one lease, from taking it up to giving it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from open_agent.agent.calls import let_go
from open_agent.agent.context import Collaborators, RunContext
from open_agent.agent.loop import Parked, finish
from open_agent.agent.moves import Stop
from open_agent.agent.start import RunDefaults, choose_messages, start_run
from open_agent.agent.view import load_view
from open_agent.backends.base import Backend
from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, RunId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.engine.preparing import Preparation, prepare
from open_agent.events.fold import MissionState
from open_agent.events.log import LeaseLost
from open_agent.models.encoding import Conversation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.processes import ProcessPort

GAVE_UP = (
    "The server failed inside while it worked on this; its log says how. Everything up to here is "
    "kept. Send a message to go on."
)

SHARED_FOLDER = (
    "Another mission works in this directory at the same time. Files may change under your hands: "
    "read them again before you write, and leave alone what is not yours."
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where runs work: what makes their workspaces, opens them, and ends what they leave running."""

    isolation: Isolation
    preparation: Preparation
    processes: ProcessPort


class Worker:
    """Carries missions on; knows those it is working on."""

    def __init__(
        self,
        shared: Collaborators,
        ground: Ground,
        backends: Mapping[str, Backend],
        defaults: RunDefaults,
    ) -> None:
        self._shared = shared
        self._ground = ground
        self._backends = backends
        self._defaults = defaults
        self.contexts: dict[MissionId, RunContext] = {}
        """The missions in hand."""

    async def work(self, mission_id: MissionId, epoch: int) -> None:
        """Carry the mission on until it has nothing to do, waits, or is somebody else's."""
        ctx = await self._take_up(mission_id, epoch)
        if ctx.state.unknown_type is not None:
            log.error("mission.too_new", mission_id=mission_id, type=ctx.state.unknown_type)
            return
        self.contexts[mission_id] = ctx
        try:
            await self._carry_on(ctx)
        except LeaseLost:
            log.warning("lease.lost", mission_id=mission_id, epoch=epoch)
        except Unavailable:
            raise
        except Exception:  # boundary: a run that cannot go on ends, and says so
            log.exception("run.crashed", mission_id=mission_id)
            await self._give_up(ctx)
            await ctx.mission_tools.end_run()
        finally:
            del self.contexts[mission_id]

    async def _take_up(self, mission_id: MissionId, epoch: int) -> RunContext:
        state, conversation = await load_view(self._shared.log, mission_id, Conversation())
        is_made_here = state.is_workspace_ours and state.workspace_id is None
        workspace = await self._ground.isolation.workspace(
            Path(state.workspace), is_made=is_made_here
        )
        ctx = RunContext(
            mission_id=mission_id,
            epoch=epoch,
            shared=self._shared,
            workspace=workspace,
            state=state,
            conversation=conversation,
            mission_tools=await self._shared.tools.of_mission(mission_id, state.kind),
        )
        ctx.offer_tools()
        return ctx

    async def _carry_on(self, ctx: RunContext) -> None:
        if ctx.state.run is not None:
            await self._backend(ctx.state).recover(ctx)
        while not ctx.is_draining:
            if ctx.state.run is None:
                if not choose_messages(ctx.state):
                    return
                await ctx.mission_tools.begin_run()
                if not await start_run(ctx, self._defaults, self._notes(ctx)):
                    continue
            if not await prepare(ctx, self._ground.preparation):
                continue
            run_id = ctx.run.run_id
            result: Outcome | Parked = await self._backend(ctx.state).carry_on(ctx)
            if isinstance(result, Parked):
                return
            await self._end_processes(run_id)
            await ctx.mission_tools.end_run()

    def _notes(self, ctx: RunContext) -> list[str]:
        """What a run should know when it starts. Not who else works there: it may be another user."""
        is_shared = any(
            other is not ctx and other.state.run and other.workspace.root == ctx.workspace.root
            for other in self.contexts.values()
            if MissionKind.CHILD not in (ctx.state.kind, other.state.kind)
        )
        return [SHARED_FOLDER] if is_shared else []

    async def _give_up(self, ctx: RunContext) -> None:
        if ctx.state.run is not None:
            await let_go(ctx)
        stop = Stop(Outcome.FAILED, "internal_error", GAVE_UP)
        while ctx.state.run is not None and not await finish(ctx, stop):
            pass

    async def _end_processes(self, run_id: RunId) -> None:
        """What the run left running ends with it, unless a call said to keep it."""
        await self._ground.processes.end_run(run_id)

    def _backend(self, state: MissionState) -> Backend:
        assert state.run is not None
        return self._backends[state.run.backend]
