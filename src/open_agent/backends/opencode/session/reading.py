"""Reads what OpenCode says of a session and its subagents' sessions; says each thing once.

Fed with live events and with messages read again, in any mixture: what it knows already, or the
log says already (`restore`), makes no fact. Pure: no clock, no calls, no log.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from open_agent.backends.opencode.protocol.parts import (
    Json,
    Part,
    ReasoningPart,
    StepFinishPart,
    StepStartPart,
    TextPart,
    ToolPart,
)
from open_agent.backends.opencode.protocol.wire import (
    CallRef,
    ErrorInfo,
    FeedEvent,
    Message,
    MessageInfo,
    SessionStatus,
)
from open_agent.backends.opencode.session.facts import (
    Asked,
    Call,
    Called,
    Ended,
    Fact,
    Noted,
    Returned,
    Step,
    TryFailed,
)
from open_agent.core.ids import CallId
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.record import Record

COMPACTED = "OpenCode shortened its history of the conversation, which had grown too long."
MOST_EARLY = 1_000
"""Events kept of a subagent whose call is not known yet."""
_KEPT = frozenset({"message.updated", "message.part.updated", "session.status"})
_ENDED = frozenset({"completed", "error"})


class Reading:
    """What is known of the work of one run in a session.

    Nothing is read of messages from before the run's first prompt, by OpenCode's own clock.

    Args:
        session_id: The session.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.first_prompt = ""
        """With which the run begins in this session."""
        self.steps: dict[str, Step] = {}
        self.calls: dict[CallId, Call] = {}
        self.prompts: set[str] = set()
        """Messages of the user that OpenCode has."""
        self.answered: set[str] = set()
        """Those of them that the assistant has begun to answer."""
        self.last: Step | None = None
        """The newest reply of the session itself."""
        self.error: ErrorInfo | None = None
        """What went wrong with the session, and no message says."""
        self._since: int | None = None
        self._owners: dict[str, CallId] = {}
        """By the session of a subagent: the call that it works for."""
        self._early: dict[str, list[FeedEvent]] = {}
        """Events of subagents whose call is not known yet."""

    def restore(self, records: Iterable[Record]) -> None:
        """Take in what the log says of the run already."""
        for record in records:
            match record.event:
                case ModelAsked(backend_id=str() as id_) as event:
                    step = self._logged_step(id_)
                    step.number, step.attempt, step.stage = event.step, event.attempt, "asked"
                case ModelFailed(backend_id=str() as id_) as event:
                    # A reply of which no other try was announced is over.
                    self._logged_step(id_).stage = "failed" if event.retry_at else "over"
                case ModelAnswered(backend_id=str() as id_) as event:
                    self._logged_step(id_).stage = "over"
                    self._logged_step(id_).within = event.within
                case ToolCalled() as event:
                    call = Call(event.call_id, event.name, event.within, "called")
                    self.calls[event.call_id] = call
                case ToolReturned() as event if event.call_id in self.calls:
                    self.calls[event.call_id].stage = "returned"
                case _:
                    pass

    @property
    def open_steps(self) -> list[Step]:
        """Replies that are being written, as far as is known."""
        return [step for step in self.steps.values() if step.stage in ("asked", "failed", "new")]

    @property
    def open_calls(self) -> list[Call]:
        """Calls that have begun and not ended; those of subagents before the calls they are for."""
        found = [call for call in self.calls.values() if call.stage == "called"]
        return sorted(found, key=lambda call: call.within is None)

    def is_blank(self, step: Step) -> bool:
        """Whether a reply of the session itself was cut off before it said or began anything."""
        is_said = step.text().strip() or any(self._has_begun(part) for part in step.tools)
        return step.within is None and not is_said

    @property
    def children(self) -> list[str]:
        """The sessions of subagents."""
        return list(self._owners)

    def call_of(self, ref: CallRef | None) -> Call | None:
        """The call that something is about."""
        if ref is None:
            return None
        step = self.steps.get(ref.message_id)
        for part in step.tools if step else ():
            if part.call_id == ref.call_id:
                return self.calls.get(CallId(part.id))
        for call in self.calls.values():
            part = call.part
            if part and (part.message_id, part.call_id) == (ref.message_id, ref.call_id):
                return call
        return None

    def take(self, event: FeedEvent) -> Iterator[Fact]:
        """Read a live event."""
        if event.session_id != self.session_id and event.session_id not in self._owners:
            waiting = self._early.setdefault(event.session_id, [])
            if event.type in _KEPT and len(waiting) < MOST_EARLY:
                waiting.append(event)
            return
        match event.type:
            case "message.updated" if (info := event.message()) is not None:
                yield from self._message(info)
            case "message.part.updated" if (part := event.part()) is not None:
                yield from self._part(part)
            case "session.status" if (status := event.status()) is not None:
                yield from self._status(event.session_id, status)
            case "session.error" if (error := event.error()) is not None:
                if event.session_id == self.session_id:
                    self.error = error
            case "session.compacted":
                yield Noted("session.compacted", COMPACTED)
            case _:
                pass

    def take_message(self, message: Message) -> Iterator[Fact]:
        """Read a message of the session's, or of a known subagent's, as it is now."""
        info = message.info
        if info.role == "user":
            yield from self._message(info)
            return
        if self._is_old(info):
            return
        yield from self._message(info)
        for part in message.parts:
            yield from self._part(part)
        if info.time.completed is not None or info.error is not None:
            yield from self._complete(self.steps[info.id])

    def take_status(self, status: SessionStatus) -> Iterator[Fact]:
        """Read what the session does now."""
        yield from self._status(self.session_id, status)

    def begin(self, call: Call, arguments: Json) -> Iterator[Fact]:
        """A call asks for something before it was said to run: it has begun."""
        if call.stage == "wanted":
            part = call.part
            if part is not None and not part.state.input:
                state = part.state.model_copy(update={"input": arguments})
                call.part = part.model_copy(update={"state": state})
            call.stage = "called"
            yield Called(call)

    def lose(self, why: Literal["unknown", "cancelled"]) -> Iterator[Fact]:
        """Whatever is open will never end by itself: OpenCode is idle, or gone."""
        for call in self.open_calls:
            call.stage = "returned"
            yield Returned(call, why)
        for step in self.open_steps:
            if step.stage == "failed" and not step.parts:
                step.stage = "over"
            else:
                yield from self._end(step, step.info.error if step.info else None, is_lost=True)

    def _logged_step(self, message_id: str) -> Step:
        step = self.steps.get(message_id)
        if step is None:
            step = self.steps[message_id] = Step(message_id, self.session_id)
        return step

    def _message(self, info: MessageInfo) -> Iterator[Fact]:
        if info.role == "user":
            self.prompts.add(info.id)
            if info.id == self.first_prompt:
                self._since = info.time.created
            return
        if self._is_old(info):
            return
        step = self._logged_step(info.id)
        step.session_id = info.session_id or step.session_id
        step.within = self._owners.get(step.session_id, step.within)
        step.info = info
        if step.session_id == self.session_id:
            self.answered.add(info.parent_id or "")
            self.error = None
            if self.last is None or info.time.created >= _created(self.last):
                self.last = step
        if step.stage == "new":
            yield from self._complete_others(step)
            yield from self._begin(step)
        # Live, it may be said to be complete before its parts are told: OpenCode writes down what it
        # sends only when it sends it. What it says of itself ends it, or its history does.

    def _complete_others(self, step: Step) -> Iterator[Fact]:
        """A session writes one message at a time: those before a new one are complete."""
        for other in self.open_steps:
            if other is not step and other.session_id == step.session_id:
                yield from self._complete(other)

    def _complete(self, step: Step) -> Iterator[Fact]:
        if step.stage == "asked":
            yield from self._end(step, step.info.error if step.info else None)
        elif step.stage == "failed":
            # After the last try nobody says that it failed: the one before said why.
            step.stage = "over"

    def _is_old(self, info: MessageInfo) -> bool:
        return self._since is None or info.time.created < self._since

    def _begin(self, step: Step) -> Iterator[Fact]:
        step.attempt += 1
        step.stage = "asked"
        if step.within is None:
            yield Asked(step)

    def _part(self, part: Part) -> Iterator[Fact]:
        step = self.steps.get(part.message_id)
        if step is None:
            return
        if isinstance(part, ToolPart):
            yield from self._tool(step, part)
        if step.stage == "over":
            return
        if step.stage == "failed" and isinstance(part, StepStartPart | StepFinishPart | ToolPart):
            yield from self._begin(step)
        step.parts[part.id] = part
        if isinstance(part, StepFinishPart) and not self._has_open(step):
            yield from self._end(step, None)

    def _has_open(self, step: Step) -> bool:
        ids = {part.id for part in step.tools}
        return any(call.id in ids and call.stage != "returned" for call in self.calls.values())

    def _tool(self, step: Step, part: ToolPart) -> Iterator[Fact]:
        call = self.calls.get(CallId(part.id))
        if call is None:
            call = self.calls[CallId(part.id)] = Call(CallId(part.id), _name(part), step.within)
        call.part = part
        call.name = _name(part)
        if part.state.status == "pending":
            return
        if call.stage == "wanted":
            call.stage = "called"
            yield Called(call)
        session_id = child_of(part)
        if session_id is not None:
            self._owners[session_id] = call.id
            for event in self._early.pop(session_id, []):
                yield from self.take(event)
        if part.state.status in _ENDED and call.stage == "called":
            call.stage = "returned"
            yield Returned(call)
        if call.stage == "returned":
            call.part = None  # Its output can be long, and is on the log.

    def _status(self, session_id: str, status: SessionStatus) -> Iterator[Fact]:
        for step in self.open_steps:
            if step.session_id != session_id:
                continue
            if status.type == "retry" and step.stage == "asked":
                half = _half_written(step)
                step.dropped.update(part.id for part in half)
                step.stage = "failed"
                yield TryFailed(step, status, "".join(part.text for part in half))
            elif status.type == "busy" and step.stage == "failed":
                yield from self._begin(step)

    def _has_begun(self, part: ToolPart) -> bool:
        call = self.calls.get(CallId(part.id))
        return call is not None and call.stage != "wanted"

    def _end(self, step: Step, error: ErrorInfo | None, *, is_lost: bool = False) -> Iterator[Fact]:
        for part in step.tools:
            if not self._has_begun(part):
                del step.parts[part.id]  # Cut off while it was written: it asks for nothing.
        step.stage = "over"
        yield Ended(step, error, is_lost)
        step.parts = {}


def child_of(part: ToolPart) -> str | None:
    """The session of the subagent that works for a call, once it is known."""
    session_id = part.state.metadata.get("sessionId")
    return session_id if part.tool == "task" and isinstance(session_id, str) else None


def _name(part: ToolPart) -> str:
    """The tool that the model meant, where what it wrote was no call of any."""
    meant = part.state.input.get("tool")
    return meant if part.tool == "invalid" and isinstance(meant, str) and meant else part.tool


def _created(step: Step) -> int:
    return step.info.time.created if step.info else 0


def _half_written(step: Step) -> list[TextPart | ReasoningPart]:
    return [
        part
        for part in step.parts.values()
        if isinstance(part, TextPart | ReasoningPart)
        and part.time.end is None
        and part.id not in step.dropped
    ]
