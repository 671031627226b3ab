"""One taking-up of a run: follows its session, and decides what is done, and when it is over.

All that it knows is in the log and in OpenCode's own history, so it may be started again at any
point: what is on the log is not recorded again, and what OpenCode was told is not told again. Live
events only make things known sooner.
"""

from contextlib import AsyncExitStack

import anyio

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked, finish
from open_agent.agent.moves import EMPTY_REPLY, WAITS_FOR_PERSON, Stop, Tell
from open_agent.backends.opencode.bounds import BUDGET_SPENT, Bounds, Present, verdict
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused, OpenCodeUnreachable
from open_agent.backends.opencode.protocol.feed import Gap, Listener
from open_agent.backends.opencode.protocol.wire import FeedEvent, FileDiff
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.backends.opencode.session.changes import changed_files
from open_agent.backends.opencode.session.endings import (
    CUT_SHORT,
    EMPTY,
    NO_START,
    stop_for_error,
    stop_for_finish,
)
from open_agent.backends.opencode.session.following import Following, SessionGone
from open_agent.backends.opencode.session.telling import CONTINUE, NOTICE
from open_agent.core.run import Outcome
from open_agent.events.log import BudgetSpent
from open_agent.events.model.backend import FilesChanged
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunWaiting
from open_agent.events.model.tool import ToolReturned

TICK = 1.0
"""Seconds between two looks at the limits, when nothing comes."""
MOST_CUTS = 3
"""How often in a row work that was cut off is gone on with, without a step being done."""


class Run:
    """Works on the active run of a context until it ends or has to wait."""

    def __init__(
        self, ctx: RunContext, server: OpenCodeServer, session: Following, bounds: Bounds
    ) -> None:
        self._ctx = ctx
        self._server = server
        self._session = session
        self._bounds = bounds

    async def carry_on(self) -> Outcome | Parked | None:
        """Take the run up where it is, and follow it; none when something was said before that."""
        try:
            async with AsyncExitStack() as stack:
                return await self._listen(stack)
        except OpenCodeRefused as refusal:
            if refusal.status == 404:
                raise SessionGone from refusal
            raise
        finally:
            self._session.live.close()

    async def _listen(self, stack: AsyncExitStack) -> Outcome | Parked | None:
        listening = self._server.feed.listen(self._session.dialogue.session_id)
        listener: Listener | None = None
        try:
            with self._ctx.attentive() as scope:
                listener = await stack.enter_async_context(listening)
                await self._take_up()
            if scope.cancelled_caught:
                return None
            return await self._follow(listener)
        except BudgetSpent:
            assert listener is not None
            return await self._stop(BUDGET_SPENT, listener)

    async def _take_up(self) -> None:
        session = self._session
        prompts = list(session.dialogue.prompts)
        session.reading.restore(session.dialogue.records)
        if not prompts:
            # Of a session that is gone something may still be open.
            await session.lose()
            while not must_stop(self._ctx) and not await session.start():
                pass
            return
        session.reading.first_prompt = prompts[0].prompt_id
        await session.catch_up()
        session.was_lost = True
        if must_stop(self._ctx):
            return
        if not session.is_busy:
            await session.lose()
        for prompt in prompts:
            if prompt.prompt_id not in session.reading.prompts:
                await session.repeat(prompt)

    async def _follow(self, listener: Listener) -> Outcome | Parked:
        while True:
            await self._ctx.catch_up()
            ended = await self._decide(listener)
            if ended is not None:
                return ended
            item = await self._next(listener)
            if isinstance(item, Gap):
                await self._session.catch_up()
                self._session.was_lost = True
            elif item is not None:
                await self._session.take(item)

    async def _next(self, listener: Listener) -> FeedEvent | Gap | None:
        with self._ctx.attentive(), anyio.move_on_after(TICK):
            return await anext(listener)
        return None

    async def _decide(self, listener: Listener) -> Outcome | Parked | None:
        """What is to be done now, done; how that ends the run, or this taking-up of it."""
        session = self._session
        if must_stop(self._ctx):
            return await self._stop(stopped(self._ctx), listener)
        if self._ctx.is_draining:
            return Parked(None)
        if self._ctx.state.has_steering:
            await session.steer()
            return None
        await session.asks.settle(session.client)
        told = verdict(self._ctx.run, self._ctx.shared.rules, self._bounds, self._present())
        match told:
            case Stop():
                return await self._stop(told, listener)
            case Tell(kind, content):
                await self._ctx.append(NoticeGiven(kind=kind, content=content))
                await session.say("notice", NOTICE.format(content=content))
                return None
            case None:
                return await (self._park() if session.is_busy else self._rest())

    def _present(self) -> Present:
        session = self._session
        return Present(
            now=self._ctx.now,
            heard_at=session.heard_at,
            is_busy=session.is_busy,
            has_call=bool(session.reading.open_calls),
            is_asking=bool(session.asks.calls),
            empty_turns=session.empty_turns,
            repeats=session.repeats,
        )

    async def _rest(self) -> Outcome | None:
        """The session does nothing now: the work is done, was cut off, or has not begun."""
        session, reading = self._session, self._session.reading
        if not session.is_settled:
            return await self._settle()
        if session.dialogue.prompts[-1].prompt_id not in reading.answered:
            return await self._wait_for_start()
        error = reading.last.info.error if reading.last and reading.last.info else None
        if error is not None:
            return await self._end(stop_for_error(error))
        run = self._ctx.run
        stop = stop_for_finish(run.finish_reason or "", run.answer_text)
        if stop is not None:
            return await self._end(stop)
        if run.finish_reason and not run.calls and run.empty_replies:
            return await self._prod()
        if session.was_lost:
            return await self._go_on()
        return await self._end(Stop(Outcome.FAILED, "backend.ended", CUT_SHORT))

    async def _settle(self) -> Outcome | None:
        """It rests, and has not said how its last reply ended: that is looked up, and waited for."""
        session = self._session
        await session.catch_up()
        if session.is_busy or session.is_settled:
            return None
        if self._ctx.now - session.rested_at < self._bounds.settle and not session.was_lost:
            return None
        await session.lose()
        return await self._go_on()

    async def _wait_for_start(self) -> Outcome | None:
        """OpenCode was told something, and has not begun to work on it."""
        session = self._session
        if session.reading.error is not None:
            return await self._end(stop_for_error(session.reading.error))
        # One that was gone meanwhile has forgotten that it was to begin.
        if self._ctx.now - session.prompted_at < self._bounds.start and not session.was_lost:
            return None
        await session.catch_up()
        newest = session.dialogue.prompts[-1]
        if session.is_busy or newest.prompt_id in session.reading.answered:
            return None
        if session.starts >= self._bounds.starts:
            return await self._end(Stop(Outcome.FAILED, "provider.silent", NO_START))
        session.starts += 1
        session.was_lost = False
        await session.repeat(newest)
        return None

    async def _go_on(self) -> Outcome | None:
        """Work was cut off: it is gone on with, unless that leads nowhere."""
        session = self._session
        if session.cuts >= MOST_CUTS:
            return await self._end(Stop(Outcome.FAILED, "backend.ended", CUT_SHORT))
        session.cuts += 1
        await session.say("continue", CONTINUE)
        session.was_lost = False
        return None

    async def _prod(self) -> Outcome | None:
        """The last reply said nothing: the model is told so, once or twice."""
        if self._ctx.run.empty_replies >= self._ctx.shared.rules.empty_ended:
            return await self._end(Stop(Outcome.FAILED, "empty_reply", EMPTY))
        await self._ctx.append(NoticeGiven(kind="empty_reply", content=EMPTY_REPLY))
        await self._session.say("notice", NOTICE.format(content=EMPTY_REPLY))
        return None

    async def _park(self) -> Parked | None:
        """Give the place away while nothing happens but that a person is waited for."""
        asks, now = self._session.asks, self._ctx.now
        until = asks.until
        if not asks.calls or asks.since is None or until is None:
            return None
        calls = self._session.reading.open_calls
        working = {call.id for call in calls if call.effect != "delegate"}
        quiet = min(now - asks.since, now - self._session.heard_at)
        if working - asks.calls or quiet < self._bounds.person:
            return None
        questions = self._ctx.run.questions
        kinds = {questions[call_id].kind for call_id in asks.calls if call_id in questions}
        kind = "approval" if "approval" in kinds else "input"
        names = sorted({call.name for call in calls if call.id in asks.calls})
        waiting = RunWaiting(
            reason="waiting_for_approval" if kind == "approval" else "waiting_for_tool",
            message=WAITS_FOR_PERSON[kind].format(name=", ".join(names)),
            until=until,
            decided_on=self._ctx.state.seq,
        )
        return Parked(until) if await self._ctx.append(waiting) else None

    async def _stop(self, stop: Stop, listener: Listener) -> Outcome:
        """End the session's work, and then the run."""
        session, dialogue = self._session, self._session.dialogue
        session.recorder.is_stopping = True
        await session.client.version()  # One that hangs is told so at once.
        await session.client.abort(dialogue.session_id, dialogue.directory)
        until = self._ctx.now + self._bounds.stop
        while not session.is_settled and self._ctx.now < until:
            item = None
            with anyio.move_on_after(TICK / 4):
                item = await anext(listener)
            if isinstance(item, FeedEvent):
                await session.record(session.reading.take(item))
            else:
                # Nothing more comes by itself: its history says how it ended.
                await session.catch_up()
        await session.record(session.reading.lose("cancelled"))
        while True:
            ended = await self._end(stop)
            if ended is not None:
                return ended

    async def _end(self, stop: Stop) -> Outcome | None:
        """End the run; none when something came that must be seen to first."""
        reading = self._session.reading
        with anyio.CancelScope(shield=True):
            await self._server.end_session_processes(reading.session_id, *reading.children)
        changed = await self._changed()
        is_over = await finish(self._ctx, stop, *([changed] if changed else []))
        return stop.outcome if is_over else None

    async def _changed(self) -> FilesChanged | None:
        session, dialogue = self._session, self._session.dialogue
        diffs: list[list[FileDiff]] = []
        for prompt in dialogue.prompts:
            try:
                found = await session.client.diff(
                    prompt.session_id, prompt.prompt_id, dialogue.directory
                )
            except (OpenCodeRefused, OpenCodeUnreachable):
                continue  # What the tools said must do.
            diffs.append(found)
        records = await dialogue.read_run()
        returned = [record.event for record in records if isinstance(record.event, ToolReturned)]
        return changed_files(diffs, returned, dialogue.directory)


def must_stop(ctx: RunContext) -> bool:
    """Whether somebody wants the run to end now."""
    return ctx.run.is_cancelled or ctx.run.is_interrupted


def stopped(ctx: RunContext) -> Stop:
    """The end of a run that somebody stopped."""
    if ctx.run.is_cancelled:
        return Stop(Outcome.CANCELLED, "user", "The run was cancelled.")
    return Stop(Outcome.CANCELLED, "interrupted", "A new message interrupted the run.")
