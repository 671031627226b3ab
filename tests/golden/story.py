"""Missions in which everything happens that can be on a log, with every field filled.

Told through the log's own port, so that what is stored is what this release stores.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from open_agent.core.ids import CallId, MessageId, MissionId, RunId, UserId, WorkspaceId
from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import Limits, Outcome, Usage
from open_agent.events.fold import fold
from open_agent.events.log import Copy
from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.base import BlobRef
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived, RunOptions
from open_agent.events.model.mission import (
    MissionCreated,
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
    Origin,
    Parent,
)
from open_agent.events.model.model_call import (
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    Purpose,
    RequestedCall,
)
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import (
    Instructions,
    RunFinished,
    RunRecovered,
    RunStarted,
    RunWaiting,
)
from open_agent.events.model.tool import BackgroundProcess, ToolCalled, ToolReturned
from open_agent.events.model.union import Event, ExternalEvent, UnknownEvent
from open_agent.events.model.workspace import WorkspaceAwaited, WorkspacePrepared
from open_agent.models.encoding import Conversation
from open_agent.store.base import Database

OWNER = UserId("default")
HOST = "5d0c4f5e-1b1e-4c8a-9a53-0f7d1f0b6a11"
WORKSPACE = WorkspaceId("d0000000-0000-4000-8000-000000000001")
TASK = MissionId("a0000000-0000-4000-8000-000000000001")
CONVERSATION = MissionId("a0000000-0000-4000-8000-000000000002")
UNFINISHED = MissionId("a0000000-0000-4000-8000-000000000003")
TOGETHER = MissionId("a0000000-0000-4000-8000-000000000004")
DELEGATED = MissionId("a0000000-0000-4000-8000-000000000005")
FORK = MissionId("a0000000-0000-4000-8000-000000000006")
DELETED = MissionId("a0000000-0000-4000-8000-000000000007")
MODEL, FALLBACK = "anthropic/claude-sonnet-4.5", "openai/gpt-5"
USED = Usage(
    input_tokens=1200,
    cached_tokens=900,
    cache_write_tokens=50,
    output_tokens=80,
    reasoning_tokens=9,
)
OUTPUT = BlobRef(digest="b" * 64, size=90_000)
ARGUMENTS = BlobRef(digest="c" * 64, size=300_000, media_type="application/json")


class StoryClock:
    """A second passes each time somebody looks; what is measured takes no time."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, 9, 0, 0, 250_000, tzinfo=UTC)

    def now(self) -> datetime:
        """A second later than the last time."""
        self._now += timedelta(seconds=1)
        return self._now

    def monotonic(self) -> float:
        """Always the same."""
        return 0.0


class Mission:
    """One mission, by whoever writes its log."""

    def __init__(self, db: Database, mission_id: MissionId, *, backend: str | None = None) -> None:
        self._db = db
        self._backend = backend
        self.id = mission_id
        self.runs = 0
        self.epoch = 0
        self.run_id: RunId | None = None
        self._heard = 0

    async def open(
        self,
        kind: MissionKind,
        title: str | None,
        first: MessageReceived,
        *,
        parent: Parent | None = None,
    ) -> None:
        created = self._created(kind, title, parent=parent)
        await self._db.log.open_mission(
            self.id, created, first, key=f"key-{self.id[-1]}", digest="d" * 64
        )
        await self._claim()

    async def fork(self, other: MissionId, upto: int) -> None:
        """Begin as another mission did."""
        records = [r for r in await self._db.log.read(other) if 1 < r.seq <= upto]
        events = [record.event for record in records]
        copies = [
            Copy(event, record.run_id, record.at)
            for event, record in zip(events, records, strict=True)
            if not isinstance(event, UnknownEvent)
        ]
        origin = Origin(mission_id=other, seq=upto, copies=len(copies))
        run_id = records[-1].run_id
        closing = [
            Copy(returned(1, 0, "run_command", "unknown", "Outcome unknown."), run_id),
            Copy(ended(Outcome.CANCELLED, "forked", "This part was copied."), run_id),
            Copy(NoticeGiven(kind="forked", content="Files are as they are now."), None),
        ]
        created = self._created(MissionKind.MISSION, "Tidy up, again", origin=origin)
        await self._db.log.fork_mission(
            self.id, created, [*copies, *closing], key="fork", digest="e" * 64
        )
        await self._claim()

    def _created(
        self,
        kind: MissionKind,
        title: str | None,
        *,
        parent: Parent | None = None,
        origin: Origin | None = None,
    ) -> MissionCreated:
        return MissionCreated(
            owner_id=OWNER,
            kind=kind,
            title=title,
            workspace=f"/work/{self.id[-1]}",
            is_workspace_ours=kind is MissionKind.TASK,
            workspace_id=WORKSPACE if kind is MissionKind.TASK else None,
            host_id=HOST,
            model=FALLBACK if parent else None,
            backend=self._backend,
            parent=parent,
            forked_from=origin,
        )

    async def _claim(self) -> None:
        epoch = await self._db.leases.claim(self.id, "teller")
        assert epoch is not None
        self.epoch = epoch

    async def start(
        self,
        *messages: MessageReceived,
        limits: Limits | None = None,
        root: RunId | None = None,
    ) -> None:
        self.runs += 1
        self.run_id = RunId(f"b{self.runs:07d}{self.id[8:]}")
        await self.add(
            RunStarted(
                message_ids=[message.message_id for message in messages],
                backend="native",
                model=MODEL,
                fallback_model=FALLBACK,
                limits=limits or Limits(),
                root_run_id=root or self.run_id,
                instructions=[Instructions(path="/work/AGENTS.md", content="Test first. Prüfe.")],
            )
        )

    async def add(self, *events: Event) -> None:
        done = await self._db.log.append(
            self.id, self.epoch, events, run_id=self.run_id, known_seq=10**9
        )
        assert not done.is_refused

    async def hear(self, event: ExternalEvent) -> None:
        self._heard += 1
        key = event.message_id if isinstance(event, MessageReceived) else f"heard-{self._heard}"
        await self._db.log.append_external(self.id, event, key=key, owner=OWNER)

    async def seq(self) -> int:
        return (await self._db.missions.get(self.id, owner=OWNER)).last_seq

    async def compact(self) -> None:
        """Shorten the conversation as a worker does."""
        records = await self._db.log.read(self.id)
        conversation = Conversation()
        for record in records:
            conversation.apply(record)
        cut = conversation.cut(0)
        assert cut is not None
        mission = fold(records).dump()
        mission["call_ids"] = sorted(mission["call_ids"])
        await self.add(
            HistoryCompacted(
                upto_seq=cut.upto_seq,
                kept=list(cut.kept),
                summary="The parser is mended; its test is not run yet.",
                method="summary",
                bytes_before=conversation.size_bytes,
                bytes_after=900,
                state={"mission": mission, "conversation": conversation.dump_state(cut)},
            )
        )


def message(
    number: int, content: str, delivery: str = "queue", cause: str = "person"
) -> MessageReceived:
    """Something a person says, with every wish there is."""
    wishes = RunOptions(
        model=MODEL, backend="native", budget_microdollars=2_000_000, steps=30, wall_seconds=900
    )
    return MessageReceived.model_validate(
        {
            "message_id": MessageId(f"c0000000-0000-4000-8000-{number:012d}"),
            "sender": OWNER,
            "content": content,
            "delivery": delivery,
            "options": wishes if number == 1 else RunOptions(),
            "cause": cause,
        }
    )


def asked(step: int, *, model: str = MODEL, attempt: int = 1, purpose: Purpose = "step") -> Event:
    """A call of the model that is about to be made."""
    return ModelAsked(
        step=step,
        attempt=attempt,
        purpose=purpose,
        model=model,
        max_tokens=16_384,
        request_bytes=9_000 + step,
        reserved_microdollars=250_000,
        decided_on=10**9,
    )


def answered(
    step: int, text: str, calls: Sequence[RequestedCall] = (), purpose: Purpose = "step"
) -> Event:
    """A whole reply."""
    return ModelAnswered(
        step=step,
        purpose=purpose,
        model=f"{MODEL}-20250929",
        provider="Anthropic",
        text=text,
        reasoning="First I look. ",
        tool_calls=list(calls),
        finish_reason="tool_calls" if calls else "stop",
        usage=USED,
        cost_microdollars=4_321,
        cost_source="reported",
        provider_message={"reasoning_details": [{"type": "reasoning.text", "text": "First…"}]},
        text_blob=OUTPUT if purpose == "compaction" else None,
        first_token_ms=420,
        duration_ms=2_100,
    )


def call(step: int, index: int, name: str, arguments: str) -> RequestedCall:
    """A call that can be made."""
    return RequestedCall(call_id=call_id(step, index), name=name, arguments=arguments)


def call_id(step: int, index: int) -> CallId:
    """The id of a step's call."""
    return CallId(f"call_{step}_{index}")


def returned(step: int, index: int, name: str, outcome: str, content: str) -> Event:
    """An answer with nothing but its words."""
    return ToolReturned.model_validate(
        {
            "call_id": call_id(step, index),
            "name": name,
            "outcome": outcome,
            "content": content,
            "duration_ms": 12,
        }
    )


async def a_task_with_everything(db: Database) -> None:
    """Retry, fallback, tools of every outcome, a crash, a compaction, and success."""
    task = Mission(db, TASK)
    first = message(1, "Mend the parser; it fails on “ä”. 🐛")
    await task.open(MissionKind.TASK, "Mend the parser", first)
    await task.start(first, limits=Limits(steps=30, wall_seconds=900, budget_microdollars=2**21))
    await task.add(WorkspaceAwaited(workspace_id=WORKSPACE, message="Cloning a repository"))
    await task.add(
        WorkspacePrepared(
            workspace_id=WORKSPACE,
            path="/work/1",
            branch="main",
            base_commit="c" * 40,
            instructions=[Instructions(path="AGENTS.md", content="Test first, in the clone.")],
        )
    )
    await task.add(asked(1))
    await task.add(refused_by_provider())
    await task.add(
        RunWaiting(
            reason="model.retry",
            message="The provider is busy; the call is made again.",
            until=datetime(2026, 1, 1, 9, 5, tzinfo=UTC),
            decided_on=10**9,
        )
    )
    await task.add(asked(1, model=FALLBACK, attempt=2))
    await task.add(answered(1, "I look at the code.", calls_of_step_one()))
    await task.hear(message(2, "Keep the old name, too.", "steer"))
    await answer_step_one(task)
    await task.add(asked(2))
    await task.add(answered(2, "Once more.", [call(2, 0, "run_command", '{"command":"make"}')]))
    await task.add(*called(2, 0, "run_command", "execute"))
    await task.add(RunRecovered(epoch=task.epoch, unanswered=[call_id(2, 0)]))
    await task.add(returned(2, 0, "run_command", "unknown", "Outcome unknown."))
    await task.add(NoticeGiven(kind="tool_failing", content="run_command failed three times."))
    await task.add(asked(2, purpose="compaction"), refused_by_provider("compaction"))
    await task.add(asked(2, purpose="compaction"))
    await task.add(answered(2, "Notes.", purpose="compaction"))
    await task.compact()
    await task.add(asked(3), answered(3, "The parser reads “ä” now."))
    await task.add(
        RunFinished(
            outcome=Outcome.SUCCEEDED,
            reason="done",
            result="The parser reads “ä” now.",
            steps=3,
            usage=USED,
            cost_microdollars=17_284,
            duration_seconds=25.5,
            decided_on=10**9,
        )
    )


def refused_by_provider(purpose: Purpose = "step") -> Event:
    """A failure with all that can be known of one."""
    return ModelFailed(
        step=1,
        purpose=purpose,
        model=MODEL,
        code="provider.rate_limited",
        message="The provider asks to come back later.",
        status=429,
        is_retryable=True,
        retry_at=datetime(2026, 1, 1, 9, 4, 30, tzinfo=UTC),
        partial_text="I lo",
        usage=Usage(input_tokens=10),
        cost_microdollars=30,
        cost_source="priced",
        duration_ms=90,
    )


def calls_of_step_one() -> list[RequestedCall]:
    """A call of every fate."""
    return [
        call(1, 0, "edit_file", '{"path":"parser.py","old_text":"a","new_text":"ä"}'),
        call(1, 1, "run_command", '{"command":"python3 -m http.server & make"}'),
        call(1, 2, "read_file", '{"path":"missing.py"}'),
        call(1, 3, "git_commit", '{"message":"Mend"}'),
        RequestedCall(
            call_id=call_id(1, 4),
            name="write_file",
            arguments="{}",
            arguments_blob=ARGUMENTS,
            problem="The arguments are not JSON.",
        ),
    ]


async def answer_step_one(task: Mission) -> None:
    """Its calls one after the other."""
    await task.add(*called(1, 0, "edit_file", "write"))
    await task.add(
        ToolReturned(
            call_id=call_id(1, 0),
            name="edit_file",
            outcome="ok",
            content="Edited parser.py.",
            duration_ms=3,
            cost_microdollars=1_200,
            diff="--- parser.py\n+++ parser.py\n@@ -1 +1 @@\n-a\n+ä\n",
        )
    )
    await task.add(*called(1, 1, "run_command", "execute"))
    await task.add(
        ToolReturned(
            call_id=call_id(1, 1),
            name="run_command",
            outcome="ok",
            content="head\n[88,000 characters left out]\ntail\n" + "x" * 2_500,
            duration_ms=1_500,
            exit_code=0,
            spilled=OUTPUT,
            images=[OUTPUT],
            background=[
                BackgroundProcess(pid=4711, command="python3 -m http.server", is_kept=True)
            ],
        )
    )
    await task.add(*called(1, 2, "read_file", "read"))
    await task.add(returned(1, 2, "read_file", "failed", "There is no missing.py."))
    await task.add(returned(1, 3, "git_commit", "denied", "Not without approval."))
    await task.add(returned(1, 4, "write_file", "failed", "The arguments are not JSON."))


def called(step: int, index: int, name: str, effect: str) -> list[Event]:
    """A call that begins."""
    fields = {"call_id": call_id(step, index), "name": name, "effect": effect}
    return [ToolCalled.model_validate({**fields, "arguments": {"path": "ä", "n": [1, None]}})]


async def a_conversation_with_every_end(db: Database) -> None:
    """A run that is stopped, one that uses up its steps, and one that fails."""
    talk = Mission(db, CONVERSATION)
    said = [
        message(3, "Tidy up."),
        message(4, "Now the tests, at once.", "interrupt"),
        message(5, "And the docs."),
    ]
    await talk.open(MissionKind.MISSION, None, said[0])
    await talk.start(said[0])
    await talk.add(asked(1), answered(1, "I begin.", [call(1, 0, "run_command", "{}")]))
    await talk.add(*called(1, 0, "run_command", "network"))
    await talk.hear(said[1])
    await talk.hear(CancelRequested(by=OWNER, reason="The wrong branch."))
    await talk.add(returned(1, 0, "run_command", "cancelled", "The run was stopped."))
    await talk.add(ended(Outcome.CANCELLED, "user", "Stopped."))
    await talk.start(said[1])
    await talk.add(asked(1), answered(1, ""), NoticeGiven(kind="empty_reply", content="Say it."))
    await talk.hear(said[2])
    await talk.add(ended(Outcome.EXHAUSTED, "steps", "It took all its steps."))
    await talk.start(said[2])
    await talk.add(asked(1), refused_by_provider())
    await talk.add(ended(Outcome.FAILED, "provider.refused", "The provider refused."))


def ended(outcome: Outcome, reason: str, result: str) -> Event:
    """A run's end."""
    return RunFinished(
        outcome=outcome,
        reason=reason,
        result=result,
        steps=1,
        usage=USED,
        cost_microdollars=4_321,
        duration_seconds=2.0,
        decided_on=10**9,
    )


async def a_mission_in_the_middle(db: Database) -> None:
    """A model call in flight, and a message that has not been seen."""
    mission = Mission(db, UNFINISHED)
    first = message(6, "Write a haiku.")
    await mission.open(MissionKind.TASK, None, first)
    await mission.start(first)
    await mission.hear(message(7, "About rain.", "steer"))
    await mission.add(asked(1))
    await mission.hear(message(8, "In German.", "steer"))


async def a_mission_that_people_change(db: Database) -> None:
    """Its queue, its title, its status, and its questions, one answered and one not."""
    mission = Mission(db, TOGETHER)
    said = [message(9 + n, f"Part {n} of the move.") for n in range(5)]
    await mission.open(MissionKind.MISSION, None, said[0])
    await mission.hear(MissionSelected(by=OWNER))
    await mission.hear(MissionRenamed(title="Move house, “properly”", by=OWNER))
    await mission.start(said[0])
    for later in said[1:]:
        await mission.hear(later)
    await mission.hear(
        MessageEdited(message_id=said[1].message_id, content="The kitchen first.", by=OWNER)
    )
    await mission.hear(
        MessageMoved(message_id=said[3].message_id, before=said[1].message_id, by=OWNER)
    )
    await mission.hear(MessageRemoved(message_id=said[2].message_id, by=OWNER))
    await ask_people(mission)
    await mission.hear(CancelRequested(by=OWNER))
    await mission.add(ended(Outcome.CANCELLED, "user", "Stopped."))
    await mission.hear(QueueReleased(by=OWNER))
    await mission.start(said[3])
    await mission.add(asked(1), answered(1, "Half of it is done."))
    blocked = MissionStatusChanged(status=MissionStatus.BLOCKED, summary="No van.", by="agent")
    await mission.add(blocked, ended(Outcome.SUCCEEDED, "done", "Half of it is done."))
    await mission.hear(message(14, "Go on where you stopped.", cause="resume"))


async def ask_people(mission: Mission) -> None:
    """An input that somebody gives, and an approval that nobody does."""
    until = datetime(2026, 1, 1, 10, tzinfo=UTC)
    calls = [call(1, 0, "ui_optionList", '{"options":["red","blue"]}')]
    calls.append(call(1, 1, "run_command", '{"command":"rm -r old"}'))
    await mission.add(asked(1), answered(1, "Two questions.", calls))
    await mission.add(*called(1, 0, "ui_optionList", "ask"))
    await mission.add(
        AnswerRequested(
            call_id=call_id(1, 0),
            name="ui_optionList",
            kind="input",
            arguments={"options": ["red", "blue"]},
            until=until,
            default={"picked": "red"},
        )
    )
    parked = RunWaiting(
        reason="waiting_for_tool",
        message="Waits for an answer.",
        until=until,
        decided_on=10**9,
    )
    await mission.add(parked)
    await mission.hear(AnswerGiven(call_id=call_id(1, 0), answer={"picked": "blue"}, by=OWNER))
    await mission.add(returned(1, 0, "ui_optionList", "ok", '{"picked":"blue"}'))
    await mission.add(
        AnswerRequested(
            call_id=call_id(1, 1),
            name="run_command",
            kind="approval",
            arguments={"command": "rm -r old"},
            reason="execute: rm *",
            until=until,
            default="deny",
        ),
        parked,
    )
    await mission.add(AnswerDefaulted(call_id=call_id(1, 1), decided_on=10**9))
    await mission.add(returned(1, 1, "run_command", "denied", "Nobody allowed it in time."))


async def a_part_that_was_delegated(db: Database) -> None:
    """The child of a run that another mission had."""
    root = RunId(f"b0000001{TOGETHER[8:]}")
    parent = Parent(mission_id=TOGETHER, run_id=root, call_id=call_id(1, 0), root_run_id=root)
    child = Mission(db, DELEGATED)
    first = message(15, "Count the boxes.", cause="delegate")
    await child.open(MissionKind.CHILD, "Count the boxes", first, parent=parent)
    await child.start(first, root=root)
    await child.add(asked(1), answered(1, "Forty-two."))
    await child.add(ended(Outcome.SUCCEEDED, "done", "Forty-two."))


async def a_mission_that_is_no_more(db: Database) -> None:
    """Its owner's current one, deleted: one record is left."""
    mission = Mission(db, DELETED)
    await mission.open(MissionKind.MISSION, None, message(16, "Nothing."))
    await mission.hear(MissionSelected(by=OWNER))
    await db.log.delete_mission(DELETED, [], by=OWNER, owner=OWNER)


async def tell(db: Database) -> list[MissionId]:
    """Let all of it happen; returns whose logs there are then."""
    await a_task_with_everything(db)
    await a_conversation_with_every_end(db)
    await a_mission_in_the_middle(db)
    await a_mission_that_people_change(db)
    await a_part_that_was_delegated(db)
    await Mission(db, FORK).fork(CONVERSATION, upto=7)
    await a_mission_that_is_no_more(db)
    return [TASK, CONVERSATION, UNFINISHED, TOGETHER, DELEGATED, FORK]
