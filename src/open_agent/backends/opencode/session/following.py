"""A session as it is followed: what comes is read and recorded, what it asks is seen to.

Live events and OpenCode's own history are two ways to the same knowledge. `run.py` decides what
follows from it.
"""

import contextlib
from collections.abc import AsyncIterable, Iterable

from open_agent.agent.context import RunContext
from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused
from open_agent.backends.opencode.protocol.parts import ToolPart
from open_agent.backends.opencode.protocol.wire import FeedEvent, PermissionAsk
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.backends.opencode.session.asks import Ask, Asks
from open_agent.backends.opencode.session.dialogue import Dialogue
from open_agent.backends.opencode.session.facts import Ended, Fact, Returned
from open_agent.backends.opencode.session.live import Live
from open_agent.backends.opencode.session.reading import Reading
from open_agent.backends.opencode.session.recording import Recorder
from open_agent.backends.opencode.session.recovery import history, open_asks, session_status
from open_agent.core.errors import OpenAgentError
from open_agent.events.active_run import SIGNATURES_KEPT, count_repeats
from open_agent.events.log import BudgetSpent
from open_agent.events.model.backend import BackendPrompted, PromptCause
from open_agent.events.model.model_call import ModelAnswered
from open_agent.events.model.run import RunRecovered


class SessionGone(OpenAgentError):
    """OpenCode no longer has the session that a run works in (`opencode.session_gone`)."""

    def __init__(self) -> None:
        super().__init__(
            "opencode.session_gone",
            "The session was deleted in OpenCode while it was at work, again and again.",
        )


class Following:
    """The session of one run.

    Args:
        ctx: Whose run it is.
        server: Where the session is.
        client: Of that server.
        dialogue: What is said to the session.
        is_permissive: What no rule forbids or asks about is allowed.
    """

    def __init__(
        self,
        ctx: RunContext,
        server: OpenCodeServer,
        client: OpenCodeClient,
        dialogue: Dialogue,
        *,
        is_permissive: bool,
    ) -> None:
        self._ctx = ctx
        self._server = server
        self.client = client
        self.dialogue = dialogue
        self.asks = Asks(
            ctx,
            dialogue.directory,
            is_permissive=is_permissive,
            is_managed=server.is_managed,
        )
        self._early: dict[str, Ask] = {}
        """What is asked of calls of which OpenCode has not said yet with what they are made."""
        self.reading = Reading(dialogue.session_id)
        self.recorder = Recorder(ctx, dialogue.model, is_ours=server.is_managed)
        self.live = Live(ctx)
        self.is_busy = False
        self.was_lost = False
        """Events may have been missed since the newest reply was complete."""
        self.cuts = _cuts(dialogue)
        """How often in a row its work was cut off and gone on with, without a step being done."""
        self.starts = 1
        """How often the newest prompt was given."""
        self.heard_at = self.prompted_at = self.rested_at = ctx.now
        self._empty: dict[str, int] = {}
        self._made: dict[str, list[str]] = {}
        """By the session of a subagent: digests of its newest steps' calls and what came of them."""

    @property
    def empty_turns(self) -> int:
        """Replies in a row that said nothing, in the session where there are most."""
        return max(self._empty.values(), default=0)

    @property
    def repeats(self) -> int:
        """How often a subagent has made the same calls with the same results in a row, at most."""
        return max((count_repeats(made) for made in self._made.values()), default=0)

    @property
    def is_settled(self) -> bool:
        """Nothing of it is open."""
        return not self.reading.open_steps and not self.reading.open_calls

    async def take(self, event: FeedEvent) -> None:
        """Take a live event."""
        self.heard_at = self._ctx.now
        if event.session_id == self.reading.session_id:
            if event.type == "session.deleted":
                raise SessionGone
            self._note_status(event)
        await self.record(self.reading.take(event))
        self.live.take(event, self.reading)
        match event.type:
            case "permission.asked":
                await self._hear(event.permission())
            case "question.asked":
                await self._hear(event.question())
            case "permission.replied" | "question.replied" | "question.rejected":
                self.asks.forget(str(event.properties.get("requestID")))
                self._early.pop(str(event.properties.get("requestID")), None)
            case "message.part.updated" if self._early:
                for ask in list(self._early.values()):
                    await self._adopt(ask)
            case _:
                pass

    async def catch_up(self) -> None:
        """Read all that OpenCode has, and what it waits for."""
        self.client = await self._server.client()
        directory, reading = self.dialogue.directory, self.reading
        status = await session_status(self.client, reading.session_id, directory)
        self.is_busy = status is not None
        await self._record_all(history(self.client, reading, directory))
        if status is not None and status.type == "retry":
            await self.record(reading.take_status(status))
        self.heard_at = self._ctx.now
        if self.recorder.is_stopping:
            return
        self._early.clear()
        for ask in await open_asks(self.client, reading, directory):
            await self._adopt(ask)

    async def lose(self) -> None:
        """End on the log what nothing will end any more."""
        if self.is_settled:
            return
        ids = [call.id for call in self.reading.open_calls]
        reading = self.reading
        blank = [step.message_id for step in reading.open_steps if reading.is_blank(step)]
        await self._ctx.append(RunRecovered(epoch=self._ctx.epoch, unanswered=ids))
        await self.record(self.reading.lose("unknown"))
        for message_id in blank:
            # OpenCode would send it on as a reply without content, which strict providers refuse.
            with contextlib.suppress(OpenCodeRefused):
                await self.client.delete_message(
                    self.reading.session_id, message_id, self.dialogue.directory
                )

    async def start(self) -> bool:
        """Say what the run is about; false when the log had moved."""
        if not await self.dialogue.start(self.client):
            return False
        self.reading.first_prompt = self.dialogue.prompts[0].prompt_id
        self.note_prompt()
        return True

    async def steer(self) -> None:
        """Say what people want to be seen at once."""
        if await self.dialogue.steer(self.client):
            self.note_prompt()

    async def say(self, cause: PromptCause, text: str) -> None:
        """Say something on the server's own account."""
        if await self.dialogue.say(self.client, cause, text):
            self.note_prompt()

    async def repeat(self, prompt: BackendPrompted) -> None:
        """Say again what OpenCode may not have heard."""
        await self.dialogue.repeat(self.client, prompt)
        self.is_busy, self.prompted_at = True, self._ctx.now

    def note_prompt(self) -> None:
        """Something was said to it: it is at work from now on."""
        self.is_busy, self.starts = True, 1
        self.prompted_at = self.heard_at = self._ctx.now

    async def record(self, facts: Iterable[Fact]) -> None:
        """Put facts on the log, in order."""
        for fact in facts:
            await self._record_one(fact)

    async def _record_all(self, facts: AsyncIterable[Fact]) -> None:
        async for fact in facts:
            await self._record_one(fact)

    async def _record_one(self, fact: Fact) -> None:
        while not await self._is_recorded(fact):
            # A model call takes what steers off the queue, so that is said first.
            if self._ctx.state.has_steering and not self.recorder.is_stopping:
                await self.steer()
        match fact:
            case Ended(step):
                self._count_turn(fact)
                if step.within is None:
                    self.live.close_step()
            case Returned(call):
                self.live.close_call(call.id)
            case _:
                pass

    async def _is_recorded(self, fact: Fact) -> bool:
        try:
            return await self.recorder.record(fact)
        except BudgetSpent:
            # Another run spent it. A call that began while this one is being stopped is not noted.
            if not self.recorder.is_stopping:
                raise
            return True

    def _count_turn(self, fact: Ended) -> None:
        """Remember whether a session still gets anywhere."""
        step = fact.step
        if fact.is_lost:
            return  # What it would have said, nobody knows.
        is_empty = not (step.text() or step.tools or fact.error)
        known = self._empty.get(step.session_id, 0)
        self._empty[step.session_id] = known + 1 if is_empty else 0
        if step.within is not None and step.tools:
            made = self._made.setdefault(step.session_id, [])
            made.append("\0".join(_made(part) for part in step.tools))
            del made[:-SIGNATURES_KEPT]
        if step.within is None and step.end is not None:
            self.cuts, self.was_lost = 0, False

    def _note_status(self, event: FeedEvent) -> None:
        status = event.status() if event.type == "session.status" else None
        if event.type == "session.idle" or (status is not None and status.type == "idle"):
            if self.is_busy:
                self.rested_at = self._ctx.now
            self.is_busy = False
        elif status is not None:
            self.is_busy = True

    async def _hear(self, ask: Ask | None) -> None:
        if ask is None:
            return
        if ask.tool is None:
            await self.asks.hear_stray(self.client, ask)
        elif self.reading.call_of(ask.tool) is None:
            await self.catch_up()  # It is among what waits, unless it waits no more.
        else:
            await self._adopt(ask)

    async def _adopt(self, ask: Ask) -> None:
        if ask.tool is None:
            await self.asks.hear_stray(self.client, ask)
            return
        call = self.reading.call_of(ask.tool)
        if call is None:
            return
        if isinstance(ask, PermissionAsk) and call.part and call.part.state.status == "pending":
            # Of tools of MCP servers it asks as much as 60 ms before it says what they are given.
            self._early[ask.id] = ask
            return
        self._early.pop(ask.id, None)
        asked = ask.metadata if isinstance(ask, PermissionAsk) else ask.model_dump()
        await self.record(self.reading.begin(call, asked))
        await self.asks.hear(self.client, ask, call)


def _made(part: ToolPart) -> str:
    """A call, and what came of it."""
    state = part.state
    return f"{part.tool}{state.input}{hash(state.output)}{hash(state.error)}"


def _cuts(dialogue: Dialogue) -> int:
    cuts = 0
    for record in dialogue.records:
        match record.event:
            case BackendPrompted(cause="continue"):
                cuts += 1
            case ModelAnswered(purpose="step", finish_reason=reason) if reason != "interrupted":
                cuts = 0
            case _:
                pass
    return cuts
