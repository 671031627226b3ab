"""Events for the log's suite, with only what a test cares about to be said."""

from datetime import datetime
from typing import Any

from open_agent.core.ids import CallId, MessageId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Outcome, Usage
from open_agent.events.log import Opened
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import Delivery, MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunFinished, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.store.base import Database

ANNA, BEN = UserId("anna"), UserId("ben")


def created(owner: UserId = ANNA, **changes: Any) -> MissionCreated:
    fields: dict[str, Any] = {
        "owner_id": owner,
        "kind": MissionKind.TASK,
        "workspace": "/work/here",
        "is_workspace_ours": True,
        "host_id": "this-host",
    }
    return MissionCreated(**(fields | changes))


def message(
    content: str = "Do it.", *, owner: UserId = ANNA, delivery: Delivery = "queue"
) -> MessageReceived:
    return MessageReceived(
        message_id=MessageId(new_uuid()), sender=owner, content=content, delivery=delivery
    )


def started(
    *messages: MessageReceived,
    root: RunId,
    budget: int = 0,
) -> RunStarted:
    return RunStarted(
        message_ids=[message.message_id for message in messages],
        backend="native",
        model="test/model",
        limits=Limits(budget_microdollars=budget),
        root_run_id=root,
    )


def asked(reserved: int = 0, step: int = 1) -> ModelAsked:
    return ModelAsked(
        step=step,
        attempt=1,
        model="test/model",
        max_tokens=1000,
        request_bytes=2000,
        reserved_microdollars=reserved,
        decided_on=0,
    )


def answered(cost: int = 0, step: int = 1, text: str = "") -> ModelAnswered:
    return ModelAnswered(
        step=step,
        model="test/model-1",
        text=text,
        finish_reason="stop",
        usage=Usage(input_tokens=10, cached_tokens=4, output_tokens=5, reasoning_tokens=1),
        cost_microdollars=cost,
        cost_source="reported",
        duration_ms=5,
    )


def failed(cost: int = 0, step: int = 1) -> ModelFailed:
    return ModelFailed(
        step=step,
        model="test/model",
        code="provider.broken_stream",
        message="The stream ended.",
        is_retryable=True,
        cost_microdollars=cost,
        cost_source="reserved",
        duration_ms=5,
    )


def called(call_id: str = "call-1") -> ToolCalled:
    return ToolCalled(
        call_id=CallId(call_id), name="run_command", effect="execute", arguments={"command": "ls"}
    )


def returned(call_id: str = "call-1", content: str = "ok") -> ToolReturned:
    return ToolReturned(
        call_id=CallId(call_id), name="run_command", outcome="ok", content=content, duration_ms=3
    )


def waiting(until: datetime) -> RunWaiting:
    return RunWaiting(reason="model.retry", message="Waits.", until=until, decided_on=0)


def finished(outcome: Outcome = Outcome.SUCCEEDED, result: str = "Done.") -> RunFinished:
    return RunFinished(
        outcome=outcome,
        reason="done",
        result=result,
        steps=1,
        usage=Usage(),
        cost_microdollars=0,
        duration_seconds=1.5,
        decided_on=0,
    )


def note(content: str = "Note.") -> NoticeGiven:
    return NoticeGiven(kind="note", content=content)


def compacted(upto: int) -> HistoryCompacted:
    return HistoryCompacted(
        upto_seq=upto,
        kept=[],
        summary="Before.",
        method="summary",
        bytes_before=10,
        bytes_after=1,
        state={},
    )


def new_mission() -> MissionId:
    return MissionId(new_uuid())


def new_run() -> RunId:
    return RunId(new_uuid())


async def open_one(
    db: Database,
    *,
    owner: UserId = ANNA,
    mission_id: MissionId | None = None,
    first: MessageReceived | None = None,
    **changes: Any,
) -> Opened:
    """A new mission with a message that waits, unless `first` is said."""
    return await db.log.open_mission(
        mission_id or new_mission(),
        created(owner, **changes),
        first or message(owner=owner),
        key=None,
        digest="",
    )


async def claim(db: Database, mission_id: MissionId, holder: str = "worker") -> int:
    """The epoch of a mission that nobody holds."""
    epoch = await db.leases.claim(mission_id, holder)
    assert epoch is not None
    return epoch


async def start_run(
    db: Database, mission_id: MissionId, epoch: int, *, budget: int = 0, root: RunId | None = None
) -> RunId:
    """A run that has just started."""
    run_id = new_run()
    event = started(root=root or run_id, budget=budget)
    await db.log.append(mission_id, epoch, [event], run_id=run_id, known_seq=10**9)
    return run_id
