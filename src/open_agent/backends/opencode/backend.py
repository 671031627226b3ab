"""An OpenCode server as a backend: hands runs to it, and outlives its failures.

Above: the worker. `run.py` works on a run while OpenCode answers; here it is decided what happens
when it does not.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

import anyio

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked, finish
from open_agent.agent.moves import Stop
from open_agent.agent.policy import Policy
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.bridge import Bridge, offer
from open_agent.backends.opencode.bridging import Bridging, IsAsked, NoBridging
from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import (
    OpenCodeRefused,
    OpenCodeUnreachable,
    OpenCodeUnsafe,
    OpenCodeVersion,
)
from open_agent.backends.opencode.run import Run, must_stop, stopped
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.backends.opencode.session.dialogue import NAME, Dialogue, Manner
from open_agent.backends.opencode.session.following import Following, SessionGone
from open_agent.backends.opencode.session.permissions import judge, session_rules
from open_agent.backends.opencode.session.reading import Reading
from open_agent.backends.opencode.session.recording import Recorder
from open_agent.core.errors import Invalid, OpenAgentError
from open_agent.core.run import Outcome
from open_agent.events.model.run import RunRecovered, RunWaiting

LONGEST_PAUSE = timedelta(minutes=5)
"""Between two tries to reach an OpenCode that is gone; the first is after a second."""
MAY_GO_ON = "OpenCode did not answer and is not ours to end: what it was doing there may go on."
LAST_TRY_SECONDS = 8.0
"""What one of ours gets to answer in before it is ended with the run that is to end."""
MOST_MISSES = 3
"""How often in one taking-up a run that must end tries to reach its OpenCode."""
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
        self._server.hold(ctx.mission_id)
        result: Outcome | Parked | None = None
        try:
            result = await self._work(ctx)
            return result
        finally:
            if not isinstance(result, Parked):
                self._server.release(ctx.mission_id)

    async def _work(self, ctx: RunContext) -> Outcome | Parked:
        ctx.is_following = True
        sessions = misses = 0
        while not ctx.is_draining:
            await ctx.catch_up()
            try:
                ended = await self._carry_on(ctx)
            except SessionGone as gone:
                sessions += 1
                ended = await self._fail(ctx, gone) if sessions >= MOST_SESSIONS else None
            except OpenCodeUnreachable as error:
                misses += 1
                await ctx.catch_up()
                ended = await self._wait(ctx, error, misses)
            except (OpenCodeRefused, OpenCodeUnsafe, OpenCodeVersion, Invalid) as error:
                ended = await self._fail(ctx, error)
            if ended is not None:
                return ended
        return Parked(None)

    async def _carry_on(self, ctx: RunContext) -> Outcome | Parked | None:
        if must_stop(ctx) and not _has_begun(ctx):
            return await self._end(ctx, stopped(ctx), "cancelled")
        bridge: Bridge | None = None
        try:
            # What may take its time is not waited for once something else is said.
            with ctx.attentive() as scope:
                session = await self._open(ctx)
                if not must_stop(ctx):
                    bridge = await self._bridging.open(ctx, _asks(ctx.shared.policy))
                    await offer(ctx, session.client, session.dialogue.directory, bridge)
            if scope.cancelled_caught:
                return None
            return await Run(ctx, self._server, session, self._handling.bounds).carry_on()
        finally:
            if bridge is not None:
                await self._bridging.close(bridge)

    async def _open(self, ctx: RunContext) -> Following:
        """The session of a run, found or opened."""
        handling = self._handling
        client = await self._reach(ctx)
        model = await self._models.resolve(ctx.run.model)
        rules = session_rules(
            ctx.shared.policy,
            is_permissive=handling.is_permissive,
            is_managed=self._server.is_managed,
        )
        dialogue = Dialogue(ctx, Manner(handling.agent, rules), model)
        if handling.agent is not None:
            await _check_agent(client, handling.agent, dialogue.directory)
        await dialogue.open(client)
        return Following(ctx, self._server, client, dialogue, is_permissive=handling.is_permissive)

    async def _reach(self, ctx: RunContext) -> OpenCodeClient:
        """The client; whoever stops a run does not wait for as long as a start may take."""
        if not must_stop(ctx):
            return await self._server.client()
        with anyio.move_on_after(self._handling.bounds.stop.total_seconds()):
            client = await self._server.client()
            await client.version()
            return client
        raise OpenCodeUnreachable("OpenCode is not there to be told to stop.")

    async def _wait(
        self, ctx: RunContext, error: OpenCodeUnreachable, misses: int
    ) -> Outcome | Parked | None:
        """OpenCode is not there: try again later and later, within limits."""
        stop = self._unreachable(ctx, error)
        if stop is not None:
            is_sure = misses >= MOST_MISSES
            return await self._give_up(ctx, stop, is_sure=is_sure)
        run = ctx.run
        until = ctx.now + min(LONGEST_PAUSE, timedelta(seconds=2**run.parks))
        waiting = RunWaiting(
            reason="backend.unreachable",
            message=error.message,
            until=until,
            decided_on=ctx.state.seq,
        )
        if not await ctx.append(waiting):
            return None
        self._server.release(ctx.mission_id)  # Nothing of it is at work there.
        return Parked(until)

    def _unreachable(self, ctx: RunContext, error: OpenCodeUnreachable) -> Stop | None:
        """How a run ends that is not worth waiting for OpenCode any more; none while it is."""
        run, rules = ctx.run, ctx.shared.rules
        if must_stop(ctx):
            return stopped(ctx)
        if ctx.now - run.started_at >= timedelta(seconds=run.limits.wall_seconds):
            text = (
                f"The run's time limit is used up. OpenCode could not be reached: {error.message}"
            )
            return Stop(Outcome.EXHAUSTED, "time", text)
        if run.parks >= rules.parks + rules.tries:
            return Stop(Outcome.FAILED, error.code, error.message)
        return None

    async def _give_up(self, ctx: RunContext, stop: Stop, *, is_sure: bool) -> Outcome | None:
        """End a run and what works on it, without OpenCode; none where that answers after all."""
        if _has_begun(ctx):
            if self._server.is_managed and not is_sure and await self._answers():
                return None
            if not await self._server.end():
                stop = replace(stop, result=f"{stop.result} {MAY_GO_ON}")
        return await self._end(ctx, stop, "cancelled" if must_stop(ctx) else "unknown")

    async def _answers(self) -> bool:
        if (await self._server.state()).phase != "ready":
            return False
        try:
            await (await self._server.client()).version(LAST_TRY_SECONDS)
        except OpenAgentError:
            return False
        return True

    async def _fail(self, ctx: RunContext, error: OpenAgentError) -> Outcome | None:
        if must_stop(ctx):
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


def _has_begun(ctx: RunContext) -> bool:
    """Whether OpenCode was told anything of the run."""
    known = ctx.state.sessions.get(NAME)
    return known is not None and known.seq > ctx.run.seq


async def _check_agent(client: OpenCodeClient, name: str, directory: str) -> None:
    """Refuse an agent that there is not: OpenCode would take the prompt, and say nothing more.

    Raises:
        Invalid: There is none of this name (`opencode.agent_unknown`).
    """
    known = await client.agents(directory)
    if name not in known:
        raise Invalid(
            "opencode.agent_unknown",
            f"OpenCode has no agent {name} (OPENCODE_AGENT). It has {', '.join(sorted(known))}.",
            {"agent": name, "known": known},
        )


def _asks(policy: Policy) -> IsAsked:
    """Which calls OpenCode asks us about before it makes them."""
    return lambda tool, arguments: judge(policy, tool, arguments).action == "ask"
