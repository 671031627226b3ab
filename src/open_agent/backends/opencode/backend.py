"""An OpenCode server as a backend: hands runs to it, and outlives its failures.

Above: the worker. `run.py` works on a run while OpenCode answers; here it is decided what happens
when it does not.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked, finish
from open_agent.agent.moves import Stop
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.bridge import offer
from open_agent.backends.opencode.bridging import Bridging, NoBridging
from open_agent.backends.opencode.dialogue import NAME, Dialogue, Manner
from open_agent.backends.opencode.errors import (
    OpenCodeRefused,
    OpenCodeUnreachable,
    OpenCodeUnsafe,
    OpenCodeVersion,
)
from open_agent.backends.opencode.following import Following, SessionGone
from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.permissions import judge, session_rules
from open_agent.backends.opencode.reading import Reading
from open_agent.backends.opencode.recording import Recorder
from open_agent.backends.opencode.run import Run, stopped
from open_agent.backends.opencode.server import OpenCodeServer
from open_agent.core.errors import Invalid, OpenAgentError
from open_agent.core.run import Outcome
from open_agent.events.model.run import RunRecovered, RunWaiting

LONGEST_PAUSE = timedelta(minutes=5)
"""Between two tries to reach an OpenCode that is gone; the first is after a second."""
MOST_SESSIONS = 3
"""How often in one taking-up a session that is gone is replaced."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How runs are handed over.

    Attributes:
        agent: Which of OpenCode's agents works; absent means its own choice.
        is_permissive: Everything may be done that no rule forbids or asks about.
        bounds: Our own limits around it.
    """

    agent: str | None = None
    is_permissive: bool = True
    bounds: Bounds = field(default_factory=Bounds)


class OpenCodeBackend:
    """Hands runs to an OpenCode server; one session for each mission."""

    name = NAME

    def __init__(
        self,
        server: OpenCodeServer,
        models: OpenCodeModels,
        handling: Handling,
        bridging: Bridging | None = None,
    ) -> None:
        self._server = server
        self._bridging = bridging or NoBridging()
        self._models = models
        self._handling = handling

    async def recover(self, ctx: RunContext) -> None:
        """Nothing yet: what is open is settled by what OpenCode says of it, once it is asked."""
        ctx.is_following = True

    async def carry_on(self, ctx: RunContext) -> Outcome | Parked:
        """Work on the active run until it ends or has to wait."""
        ctx.is_following = True
        sessions = 0
        while not ctx.is_draining:
            try:
                return await self._carry_on(ctx)
            except SessionGone as gone:
                sessions += 1
                ended = await self._fail(ctx, gone) if sessions >= MOST_SESSIONS else None
            except OpenCodeUnreachable as error:
                ended = await self._wait(ctx, error)
            except (OpenCodeRefused, OpenCodeUnsafe, OpenCodeVersion, Invalid) as error:
                ended = await self._fail(ctx, error)
            if ended is not None:
                return ended
            await ctx.catch_up()
        return Parked(None)

    async def _carry_on(self, ctx: RunContext) -> Outcome | Parked:
        client = await self._server.client()
        model = await self._models.resolve(ctx.run.model)
        policy, handling = ctx.shared.policy, self._handling
        rules = session_rules(
            policy, is_permissive=handling.is_permissive, is_managed=self._server.is_managed
        )
        dialogue = Dialogue(ctx, Manner(handling.agent, rules), model)
        await dialogue.open(client)
        session = Following(
            ctx, self._server, client, dialogue, is_permissive=handling.is_permissive
        )
        bridge = await self._bridging.open(
            ctx, lambda tool, arguments: judge(policy, tool, arguments).action == "ask"
        )
        try:
            await offer(ctx, client, dialogue.directory, bridge)
            return await Run(ctx, self._server, session, handling.bounds).carry_on()
        finally:
            if bridge is not None:
                await self._bridging.close(bridge)

    async def _wait(self, ctx: RunContext, error: OpenCodeUnreachable) -> Outcome | Parked | None:
        """OpenCode is not there: try again later and later, within limits."""
        run, rules = ctx.run, ctx.shared.rules
        if run.is_cancelled or run.is_interrupted:
            return await self._end(ctx, stopped(ctx), "cancelled")
        if ctx.now - run.started_at >= timedelta(seconds=run.limits.wall_seconds):
            text = (
                f"The run's time limit is used up. OpenCode could not be reached: {error.message}"
            )
            return await self._end(ctx, Stop(Outcome.EXHAUSTED, "time", text), "unknown")
        if run.parks >= rules.parks + rules.tries:
            return await self._fail(ctx, error)
        until = ctx.now + min(LONGEST_PAUSE, timedelta(seconds=2**run.parks))
        waiting = RunWaiting(
            reason="backend.unreachable",
            message=error.message,
            until=until,
            decided_on=ctx.state.seq,
        )
        return Parked(until) if await ctx.append(waiting) else None

    async def _fail(self, ctx: RunContext, error: OpenAgentError) -> Outcome | None:
        if ctx.run.is_cancelled or ctx.run.is_interrupted:
            return await self._end(ctx, stopped(ctx), "cancelled")
        return await self._end(ctx, Stop(Outcome.FAILED, error.code, error.message), "unknown")

    async def _end(
        self, ctx: RunContext, stop: Stop, why: Literal["unknown", "cancelled"]
    ) -> Outcome | None:
        """End the run without OpenCode: what was open, nobody will say how it ended."""
        reading = Reading("")
        reading.restore(
            await ctx.shared.log.read(ctx.mission_id, after=ctx.run.seq - 1, limit=10**6)
        )
        recorder = Recorder(ctx)
        recorder.is_stopping = True
        if why == "unknown" and reading.open_calls:
            ids = [call.id for call in reading.open_calls]
            await ctx.append(RunRecovered(epoch=ctx.epoch, unanswered=ids))
        for fact in reading.lose(why):
            while not await recorder.record(fact):
                pass
        return stop.outcome if await finish(ctx, stop) else None
