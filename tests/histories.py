"""Builds valid logs for tests: an event at a time, or drawn by Hypothesis."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from open_agent.core.ids import CallId, MessageId, MissionId, RunId, UserId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Outcome, Usage
from open_agent.events.codec import make_record
from open_agent.events.fold import fold
from open_agent.events.model.backend import BackendPrompted, PromptCause
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import (
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    RequestedCall,
)
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunFinished, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolOutcome, ToolReturned
from open_agent.events.model.union import Event
from open_agent.events.record import Record

MISSION = MissionId("11111111-1111-4111-8111-111111111111")
RUN = RunId("22222222-2222-4222-8222-222222222222")
OWNER = UserId("default")
START = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """A log in the making; every method appends, and returns the builder."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.run_id: RunId | None = None
        self.step = 0
        self.runs = 0
        self.reserved = 0

    @property
    def now(self) -> datetime:
        """A second after the newest record."""
        return START + timedelta(seconds=len(self.records) + 1)

    def add(self, *events: Event) -> "History":
        for event in events:
            seq = len(self.records) + 1
            record = make_record(
                seq, seq, START + timedelta(seconds=seq), MISSION, self.run_id, event
            )
            self.records.append(record)
        return self

    def created(self, kind: MissionKind = MissionKind.TASK) -> "History":
        return self.add(
            MissionCreated(
                owner_id=OWNER,
                kind=kind,
                workspace="/work",
                is_workspace_ours=True,
                host_id="host",
            )
        )

    def message(
        self,
        text: str = "Do it.",
        delivery: Delivery = "queue",
        options: RunOptions | None = None,
    ) -> "History":
        number = len(self.records) + 1
        return self.add(
            MessageReceived(
                message_id=MessageId(f"m{number}"),
                sender=OWNER,
                content=text,
                delivery=delivery,
                options=options or RunOptions(),
            )
        )

    def edited(self, message_id: str, text: str = "Do that.") -> "History":
        return self.add(MessageEdited(message_id=MessageId(message_id), content=text, by=OWNER))

    def moved(self, message_id: str, before: str | None = None) -> "History":
        place = None if before is None else MessageId(before)
        return self.add(MessageMoved(message_id=MessageId(message_id), before=place, by=OWNER))

    def removed(self, message_id: str) -> "History":
        return self.add(MessageRemoved(message_id=MessageId(message_id), by=OWNER))

    def released(self) -> "History":
        return self.add(QueueReleased(by=OWNER))

    def started(self, *message_ids: str, **changes: object) -> "History":
        """A run begins, by default with every message that waits."""
        self.runs += 1
        self.run_id = RunId(f"{RUN[:-4]}{self.runs:04d}")
        limits = changes.pop("limits", Limits())
        pending = fold(self.records).pending
        # As a run does: what steers comes along, however many others are left to wait.
        named = [m.message_id for m in pending if not message_ids or m.delivery == "steer"]
        return self.add(
            RunStarted.model_validate(
                {
                    "message_ids": [*named, *message_ids],
                    "backend": "native",
                    "model": "test/model",
                    "limits": limits,
                    "root_run_id": self.run_id,
                    **changes,
                }
            )
        )

    def waiting(self) -> list[str]:
        """What waits in the queue and may be changed, in order."""
        pending = fold(self.records).pending
        return [m.message_id for m in pending if m.delivery == "queue"]

    def asked(self, model: str = "test/model", reserve: int = 0, size: int = 1000) -> "History":
        self.step += 1
        return self._ask(model, reserve, size)

    def asked_again(self, model: str = "test/model", reserve: int = 0) -> "History":
        return self._ask(model, reserve, 1000)

    def _ask(self, model: str, reserve: int, size: int) -> "History":
        self.reserved = reserve
        return self.add(
            ModelAsked(
                step=self.step,
                attempt=1,
                model=model,
                max_tokens=1000,
                request_bytes=size,
                reserved_microdollars=reserve,
                decided_on=len(self.records),
            )
        )

    def answered(
        self,
        text: str = "",
        calls: list[tuple[str, str]] | None = None,
        *,
        cost: int = 0,
        finish: str | None = None,
        tokens: int = 100,
    ) -> "History":
        """The reply; `calls` are names with their arguments as JSON text."""
        requested = [
            RequestedCall(call_id=CallId(f"c{self.step}-{i}"), name=name, arguments=arguments)
            for i, (name, arguments) in enumerate(calls or [])
        ]
        return self.add(
            ModelAnswered(
                step=self.step,
                model="test/model",
                text=text,
                tool_calls=requested,
                finish_reason=finish or ("tool_calls" if requested else "stop"),
                usage=Usage(input_tokens=tokens, output_tokens=10),
                cost_microdollars=cost,
                cost_source="reported",
                duration_ms=5,
            )
        )

    def failed(
        self,
        code: str = "provider.rate_limited",
        *,
        is_retryable: bool = True,
        retry_at: datetime | None = None,
        cost: int = 0,
    ) -> "History":
        return self.add(
            ModelFailed(
                step=self.step,
                model="test/model",
                code=code,
                message="It failed.",
                is_retryable=is_retryable,
                retry_at=retry_at,
                cost_microdollars=cost,
                cost_source="reserved",
                duration_ms=5,
            )
        )

    def called(
        self, index: int = 0, name: str = "run_command", effect: str = "execute"
    ) -> "History":
        return self.add(
            ToolCalled.model_validate(
                {
                    "call_id": f"c{self.step}-{index}",
                    "name": name,
                    "effect": effect,
                    "arguments": {},
                }
            )
        )

    def returned(
        self,
        index: int = 0,
        content: str = "fine",
        outcome: ToolOutcome = "ok",
        name: str = "run_command",
    ) -> "History":
        return self.add(
            ToolReturned(
                call_id=CallId(f"c{self.step}-{index}"),
                name=name,
                outcome=outcome,
                content=content,
                duration_ms=3,
            )
        )

    def prompted(self, cause: PromptCause = "start", *message_ids: str) -> "History":
        """A session of another backend is told something."""
        return self.add(
            BackendPrompted(
                backend="opencode",
                session_id="ses_1",
                prompt_id=f"msg_{len(self.records)}",
                cause=cause,
                message_ids=[MessageId(id_) for id_ in message_ids],
                decided_on=len(self.records),
            )
        )

    def steered(self) -> "History":
        """What steers is told to the session, as it is before every model call that it makes."""
        pending = fold(self.records).pending
        waiting = [message.message_id for message in pending if message.delivery == "steer"]
        return self.prompted("steer", *waiting) if waiting else self

    def written(self) -> "History":
        """A reply is begun that a backend writes, and whose calls it makes meanwhile."""
        self.step += 1
        return self.add(
            ModelAsked(
                step=self.step,
                attempt=1,
                model="test/model",
                max_tokens=0,
                request_bytes=0,
                reserved_microdollars=0,
                decided_on=len(self.records),
                backend_id=f"reply-{self.step}",
            )
        )

    def helped(self, index: int, cost: int = 0) -> "History":
        """A subagent works for a call: a reply, and a call of its own."""
        within, inner = CallId(f"c{self.step}-{index}"), CallId(f"i{len(self.records)}")
        return self.add(
            ToolCalled(call_id=inner, name="grep", effect="read", arguments={}, within=within),
            ToolReturned(
                call_id=inner,
                name="grep",
                outcome="ok",
                content="found",
                duration_ms=1,
                within=within,
            ),
            ModelAnswered(
                step=0,
                purpose="subagent",
                model="test/model",
                text="There.",
                finish_reason="stop",
                usage=Usage(input_tokens=10, output_tokens=1),
                cost_microdollars=cost,
                cost_source="priced",
                duration_ms=1,
                within=within,
            ),
        )

    def noticed(self, kind: str = "repeating") -> "History":
        return self.add(NoticeGiven.model_validate({"kind": kind, "content": "Mind this."}))

    def waited(self, reason: str, until: datetime) -> "History":
        return self.add(
            RunWaiting(reason=reason, message="Waiting.", until=until, decided_on=len(self.records))
        )

    def cancelled(self) -> "History":
        return self.add(CancelRequested(by=OWNER))

    def finished(self, outcome: Outcome = Outcome.SUCCEEDED) -> "History":
        self.add(
            RunFinished(
                outcome=outcome,
                reason="done",
                result="Done.",
                steps=self.step,
                usage=Usage(),
                cost_microdollars=0,
                duration_seconds=1.0,
                decided_on=len(self.records),
            )
        )
        self.run_id = None
        return self

    def tool_step(self, arguments: str = "{}", content: str = "fine") -> "History":
        """A whole step with one call of `run_command`."""
        self.asked().answered("", [("run_command", arguments)])
        return self.called().returned(content=content)


def begun(**changes: object) -> History:
    """A mission whose run has just started."""
    return History().created().message().started(**changes)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """A valid log of some runs with steps, failures, notices, messages and cancels."""
    history = History().created(draw(st.sampled_from(MissionKind)))
    for _ in range(draw(st.integers(1, 3))):
        history.message(draw(st.text(max_size=20)))
        if draw(st.booleans()):
            history.message("After that.")
        _draw_change(draw, history)
        if draw(st.booleans()):
            history.started()
        else:
            history.started(history.waiting()[0])
        for _ in range(draw(st.integers(0, 5))):
            _draw_step(draw, history)
        if draw(st.booleans()):
            history.cancelled()
        if draw(st.booleans()):
            history.finished()
        else:
            break
    return history.records


def _draw_change(draw: st.DrawFn, history: History) -> None:
    """Somebody changes the queue, where one message at least is left in it."""
    waiting = history.waiting()
    if not waiting:
        return
    message_id = draw(st.sampled_from(waiting))
    match draw(st.sampled_from(["nothing", "edit", "move", "remove", "release"])):
        case "edit":
            history.edited(message_id, draw(st.text(max_size=20)))
        case "move":
            history.moved(message_id, draw(st.sampled_from([None, *waiting])))
        case "remove" if len(waiting) > 1:
            history.removed(message_id)
        case "release":
            history.released()
        case _:
            pass


def _draw_backend_step(draw: st.DrawFn, history: History) -> None:
    """A step whose calls are made before the reply that asks for them is complete."""
    history.steered().written()
    count = draw(st.integers(0, 3))
    returned = draw(st.integers(0, count))
    for index in range(count):
        history.called(index)
        if draw(st.booleans()):
            history.helped(index, cost=draw(st.integers(0, 9)))
    if draw(st.booleans()):
        history.message("And this.", draw(st.sampled_from(["queue", "steer"])))
    for index in range(returned):
        outcomes: list[ToolOutcome] = ["ok", "failed", "denied", "unknown"]
        history.returned(index, outcome=draw(st.sampled_from(outcomes)))
    if count == 0 and draw(st.booleans()):
        history.failed(cost=draw(st.integers(0, 9)))
        return
    calls = [("run_command", "{}")] * count
    history.answered(draw(st.text(max_size=10)), calls, cost=draw(st.integers(0, 9)))
    for index in range(returned, count):
        history.returned(index)


def _draw_step(draw: st.DrawFn, history: History) -> None:
    if draw(st.integers(0, 3)) == 0:
        _draw_backend_step(draw, history)
        return
    history.asked(reserve=draw(st.integers(0, 1000)))
    if draw(st.booleans()):
        history.message("Also this.", draw(st.sampled_from(["queue", "steer", "interrupt"])))
        _draw_change(draw, history)
    if draw(st.integers(0, 4)) == 0:
        history.failed(cost=draw(st.integers(0, 1000)))
        return
    count = draw(st.integers(0, 3))
    arguments = draw(st.sampled_from(["{}", '{"command": "ls"}', '{"command": "é"}']))
    history.answered(
        draw(st.text(max_size=10)),
        [("run_command", arguments)] * count,
        cost=draw(st.integers(0, 9)),
    )
    for index in range(count):
        if draw(st.booleans()):
            history.called(index)
        if draw(st.booleans()):
            history.message("And this.", "steer")
        outcomes: list[ToolOutcome] = ["ok", "failed", "unknown", "cancelled"]
        history.returned(index, outcome=draw(st.sampled_from(outcomes)))
    if draw(st.integers(0, 5)) == 0:
        history.noticed()
