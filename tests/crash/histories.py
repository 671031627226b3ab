"""A small program for the crash harness: clients that talk, and a worker that recovers.

It stands for the real loop: everything it knows it reads from the log, so that it can be killed
anywhere and started again.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from open_agent.core.errors import Conflict
from open_agent.core.ids import CallId, MessageId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Outcome, Usage
from open_agent.events.log import Appended, Copy
from open_agent.events.model.answer import AnswerGiven, AnswerRequested
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated, Origin, Parent
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed, RequestedCall
from open_agent.events.model.queue import MessageEdited, MessageMoved, MessageRemoved
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event, UnknownEvent
from open_agent.events.record import Record
from open_agent.store.base import Database
from open_agent.testing.watched import Failpoint

STEPS = 1
MISSIONS = {"first": UserId("anna"), "second": UserId("anna"), "third": UserId("ben")}
FOLLOW_UPS = 1
FORKED, CHANGED, DELETED = "first", "second", "third"
"""Which of them is forked when all is done, whose queue is changed, and beside which one is
deleted."""


@dataclass
class Facts:
    """A fold of a mission's log, as much of it as this program needs."""

    seq: int = 0
    run_id: RunId | None = None
    step: int = 0
    waiting: list[MessageId] = field(default_factory=list[MessageId])
    is_asking: bool = False
    asked_calls: list[CallId] = field(default_factory=list[CallId])
    open_calls: list[CallId] = field(default_factory=list[CallId])

    def apply(self, record: Record) -> None:
        """Take in the next record."""
        self.seq = record.seq
        match record.event:
            case MessageReceived() as said:
                self.waiting.append(said.message_id)
            case MessageRemoved() | MessageMoved() as change:
                self._change(change)
            case RunStarted() as started:
                self.run_id, self.step = record.run_id, 0
                self.waiting = [m for m in self.waiting if m not in started.message_ids]
            case ModelAsked():
                self.is_asking = True
            case ModelAnswered() as answered:
                self.is_asking, self.step = False, answered.step
                self.asked_calls = [call.call_id for call in answered.tool_calls]
            case ModelFailed():
                self.is_asking = False
            case ToolCalled() as called:
                self.open_calls.append(called.call_id)
            case ToolReturned() as returned:
                self.open_calls.remove(returned.call_id)
                self.asked_calls.remove(returned.call_id)
            case RunFinished():
                self.run_id = None
            case _:
                pass

    def _change(self, change: MessageRemoved | MessageMoved) -> None:
        self.waiting = [m for m in self.waiting if m != change.message_id]
        if isinstance(change, MessageMoved):
            before = change.before in self.waiting
            place = self.waiting.index(change.before) if before and change.before else 0
            self.waiting.insert(place, change.message_id)


class Worker:
    """Works on one mission until nothing waits."""

    facts_type = Facts

    def __init__(self, db: Database, failpoint: Failpoint, mission_id: MissionId) -> None:
        self.db, self.failpoint, self.mission_id = db, failpoint, mission_id
        self.facts, self.epoch = self.facts_type(), 0
        self.is_under_way = anyio.Event()

    async def work(self) -> None:
        """Take up the mission where its log ends."""
        epoch = await self.db.leases.claim(self.mission_id, "worker")
        assert epoch is not None
        self.epoch, self.facts = epoch, self.facts_type()
        for record in await self.db.log.read(self.mission_id):
            self.facts.apply(record)
        if self.facts.run_id is not None:
            await self.recover()
        while self.facts.run_id is not None or self.facts.waiting:
            await self.move()
        self.is_under_way.set()
        await self.db.leases.release(self.mission_id, epoch)

    async def recover(self) -> None:
        """Answer what the last life left open."""
        facts = self.facts
        events: list[Event] = [RunRecovered(epoch=self.epoch, unanswered=facts.open_calls)]
        if facts.is_asking:
            events.append(failed(facts.step + 1))
        events += [returned(call_id, "unknown") for call_id in facts.open_calls]
        await self.append(*events)

    async def move(self) -> None:
        """One step of the run, or the start of the next."""
        facts = self.facts
        if facts.is_asking or facts.asked_calls:
            self.is_under_way.set()
        if facts.run_id is None:
            facts.run_id = run_id = RunId(new_uuid())
            done = await self.append(started(run_id, facts.waiting))
            if done.is_refused and facts.run_id == run_id:
                facts.run_id = None
        elif facts.asked_calls:
            await self.call(facts.asked_calls[0])
        elif facts.step < STEPS:
            done = await self.append(asked(facts.step + 1, facts.seq))
            if not done.is_refused:
                await self.append(answered(facts.run_id, facts.step + 1))
        else:
            await self.append(finished(facts.seq))

    async def call(self, call_id: CallId) -> None:
        """Ask whether to, say that it will be done, do it, say that it was done."""
        await self.append(called(call_id), requested(call_id))
        await answer(self.db, self.mission_id, call_id)
        self.failpoint.effect(call_id)
        spilled = await self.db.blobs.put(self.mission_id, b"output of " + call_id.encode())
        await self.append(returned(call_id, "ok").model_copy(update={"spilled": spilled}))

    async def append(self, *events: Event) -> Appended:
        """Append, and take in what others appended before."""
        facts = self.facts
        done = await self.db.log.append(
            self.mission_id, self.epoch, events, run_id=facts.run_id, known_seq=facts.seq
        )
        for record in (*done.foreign, *done.records):
            facts.apply(record)
        return done


async def talk_and_work(db: Database, failpoint: Failpoint, worker: type[Worker] = Worker) -> None:
    """Submit missions, say more while they are worked on, and work until all is done."""
    async with anyio.create_task_group() as group:
        for name, owner in MISSIONS.items():
            group.start_soon(one_mission, db, failpoint, name, owner, worker)
        group.start_soon(one_that_is_deleted, db, MISSIONS[DELETED])


async def one_mission(
    db: Database, failpoint: Failpoint, name: str, owner: UserId, worker: type[Worker]
) -> None:
    """A client of one mission, and the worker that serves it."""
    opened = await db.log.open_mission(
        MissionId(new_uuid()), created(owner), said(name, 0, owner), key=name, digest=name
    )
    mission_id = opened.mission.id
    first = worker(db, failpoint, mission_id)
    async with anyio.create_task_group() as group:
        group.start_soon(first.work)
        await first.is_under_way.wait()
        for number in range(1, FOLLOW_UPS + 1):
            await db.log.append_external(
                mission_id, said(name, number, owner), key=f"{name}.{number}", owner=owner
            )
        if name == CHANGED:
            await change_queue(db, mission_id, name, owner)
    # The last message may have come when the worker had just looked for the last time.
    await worker(db, failpoint, mission_id).work()
    if name == FORKED:
        copy = await fork(db, mission_id, owner)
        last = said("fork", 0, owner)
        await db.log.append_external(copy, last, key="fork.0", owner=owner)
        await worker(db, failpoint, copy).work()


async def change_queue(db: Database, mission_id: MissionId, name: str, owner: UserId) -> None:
    """Say three things more, and change what no run has taken yet."""
    messages = [said(name, number, owner) for number in (7, 8, 9)]
    for message in messages:
        key = str(message.message_id)
        await db.log.append_external(mission_id, message, key=key, owner=owner)
    a, b, c = (message.message_id for message in messages)
    for number, event in enumerate(
        (
            MessageEdited(message_id=a, content="Rather this.", by=owner),
            MessageMoved(message_id=c, before=a, by=owner),
            MessageRemoved(message_id=b, by=owner),
        )
    ):
        with suppress(Conflict):
            await db.log.append_external(mission_id, event, key=f"change.{number}", owner=owner)


async def answer(db: Database, mission_id: MissionId, call_id: CallId) -> None:
    """Two people answer; the second is too late."""
    owner = (await db.missions.get_for_system(mission_id)).owner_id
    for who in ("one", "other"):
        event = AnswerGiven(call_id=call_id, answer=who, by=owner)
        with suppress(Conflict):
            await db.log.append_external(mission_id, event, key=f"{call_id}.{who}", owner=owner)


async def fork(db: Database, mission_id: MissionId, owner: UserId) -> MissionId:
    """Copy the mission up to its first call, which is open there."""
    records = await db.log.read(mission_id)
    cut = next(n for n, record in enumerate(records) if isinstance(record.event, ToolCalled)) + 1
    copies = [
        Copy(record.event, record.run_id, record.at)
        for record in records[1:cut]
        if not isinstance(record.event, UnknownEvent)
    ]
    call, run_id = records[cut - 1].event, records[cut - 1].run_id
    assert isinstance(call, ToolCalled)
    closing = [Copy(returned(call.call_id, "unknown"), run_id), Copy(finished(0), run_id)]
    origin = Origin(mission_id=mission_id, seq=cut, copies=len(copies))
    event = created(owner).model_copy(update={"forked_from": origin})
    opened = await db.log.fork_mission(
        MissionId(new_uuid()), event, [*copies, *closing], key="fork", digest="fork"
    )
    return opened.mission.id


async def one_that_is_deleted(db: Database, owner: UserId) -> None:
    """A mission with a part that it delegated: made, talked to, and deleted once."""
    whole, part = MissionId("gone"), MissionId("gone.part")
    by = Parent(mission_id=whole, run_id=RunId("r"), call_id=CallId("c"), root_run_id=RunId("r"))
    child = created(owner).model_copy(update={"parent": by, "kind": MissionKind.CHILD})
    try:
        for mission_id, event in ((whole, created(owner)), (part, child)):
            await db.log.open_mission(
                mission_id, event, said(mission_id, 0, owner), key=mission_id, digest=mission_id
            )
        for number in (1, 2):
            message = said(whole, number, owner)
            await db.log.append_external(whole, message, key=f"gone.{number}", owner=owner)
        await db.log.delete_mission(whole, [part], by=owner, owner=owner)
    except Conflict:
        """It was deleted in an earlier life; its id is not used again."""


def said(name: str, number: int, owner: UserId) -> MessageReceived:
    message_id = MessageId(f"{name}.{number}")
    return MessageReceived(message_id=message_id, sender=owner, content=f"{name} {number}")


def created(owner: UserId) -> MissionCreated:
    return MissionCreated(
        owner_id=owner,
        kind=MissionKind.TASK,
        workspace="/work",
        is_workspace_ours=True,
        host_id="host",
    )


def started(run_id: RunId, messages: list[MessageId]) -> RunStarted:
    limits = Limits(budget_microdollars=1000)
    return RunStarted(
        message_ids=messages, backend="native", model="m", limits=limits, root_run_id=run_id
    )


def asked(step: int, seq: int) -> ModelAsked:
    return ModelAsked(
        step=step,
        attempt=1,
        model="m",
        max_tokens=10,
        request_bytes=100,
        reserved_microdollars=50,
        decided_on=seq,
    )


def answered(run_id: RunId, step: int) -> ModelAnswered:
    call = RequestedCall(call_id=CallId(f"{run_id}.{step}"), name="do", arguments="{}")
    return ModelAnswered(
        step=step,
        model="m",
        text=f"step {step} of {run_id}",
        tool_calls=[call],
        finish_reason="tool_calls",
        usage=Usage(input_tokens=10, output_tokens=1),
        cost_microdollars=7,
        cost_source="reported",
        duration_ms=1,
    )


def failed(step: int) -> ModelFailed:
    return ModelFailed(
        step=step,
        model="m",
        code="provider.broken_stream",
        message="Lost in a crash.",
        is_retryable=True,
        cost_microdollars=50,
        cost_source="reserved",
        duration_ms=0,
    )


def requested(call_id: CallId) -> AnswerRequested:
    return AnswerRequested(
        call_id=call_id,
        name="do",
        kind="approval",
        arguments={},
        until=datetime(2100, 1, 1, tzinfo=UTC),
    )


def called(call_id: CallId) -> ToolCalled:
    return ToolCalled(call_id=call_id, name="do", effect="execute", arguments={})


def returned(call_id: CallId, outcome: str) -> ToolReturned:
    return ToolReturned.model_validate(
        {"call_id": call_id, "name": "do", "outcome": outcome, "content": "", "duration_ms": 1}
    )


def finished(seq: int) -> RunFinished:
    return RunFinished(
        outcome=Outcome.SUCCEEDED,
        reason="done",
        result="Done.",
        steps=STEPS,
        usage=Usage(),
        cost_microdollars=0,
        duration_seconds=0.1,
        decided_on=seq,
    )
