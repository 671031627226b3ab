"""A mission whose runs an OpenCode server carries out: calls before their reply, and a subagent."""

from datetime import UTC, datetime

from open_agent.core.ids import CallId, MissionId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.model.backend import (
    BackendNoted,
    BackendPrompted,
    ChangedFile,
    FilesChanged,
    PromptCause,
)
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed, RequestedCall
from open_agent.events.model.run import RunRecovered
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event
from open_agent.store.base import Database
from tests.golden import story
from tests.golden.story import USED, Mission, ended, message

HANDED_OVER = MissionId("a0000000-0000-4000-8000-000000000008")
SESSION = "ses_1a2b3c4d5e6fAbCdEfGhIjKlMn"
MODEL = "anthropic/claude-sonnet-4.5"
TASK_CALL = CallId("prt_000000000001AbCdEfGhIjKlMn")


async def tell(db: Database) -> list[MissionId]:
    """Everything that there is to tell; the missions that are left."""
    told = await story.tell(db)
    await a_mission_that_is_handed_over(db)
    return [*told, HANDED_OVER]


async def a_mission_that_is_handed_over(db: Database) -> None:
    """A run with a subagent, a steering message, a retry and a crash; one that goes on after it."""
    mission = Mission(db, HANDED_OVER, backend="opencode")
    said = [message(30, "Mend the tests."), message(31, "Only those of the parser.", "steer")]
    await mission.open(MissionKind.MISSION, "Mend the tests", said[0])
    await mission.start(said[0])
    await mission.add(prompted("start", said[0], said="What was said before: nothing."))
    await mission.add(asked(1, 1), try_failed(1), asked(1, 2))
    await mission.add(called(1, "task", "delegate", prompt="Find the tests."))
    await mission.add(called(2, "grep", "read", within=TASK_CALL, pattern="def test_"))
    await mission.hear(said[1])
    await mission.add(prompted("steer", said[1]))
    await mission.add(returned(2, "grep", "Found 3 matches", within=TASK_CALL))
    await mission.add(answered(0, "There are three.", within=TASK_CALL))
    await mission.add(
        ModelFailed(
            step=0,
            purpose="subagent",
            model=MODEL,
            code="provider.error",
            message="It broke off.",
            is_retryable=False,
            cost_microdollars=0,
            cost_source="unknown",
            duration_ms=12,
            backend_id=reply_id(9),
            within=TASK_CALL,
        )
    )
    await mission.add(returned(1, "task", "There are three."))
    await mission.add(answered(1, "I had them found.", (1, "task")))
    await mission.add(asked(2, 1), called(3, "bash", "execute", command="pytest -q"))
    await mission.add(BackendNoted(kind="session.compacted", message="It shortened its history."))
    await mission.add(RunRecovered(epoch=mission.epoch, unanswered=[call_id(3)]))
    await mission.add(returned(3, "bash", "Outcome unknown.", outcome="unknown"))
    await mission.add(answered(2, "", (3, "bash"), finish="interrupted"))
    await mission.add(prompted("continue", said="Your work was cut off."))
    await mission.add(
        BackendNoted(
            kind="retry",
            message="The provider asks to come back.",
            until=datetime(2026, 1, 1, 10, 0, tzinfo=UTC),
        )
    )
    await mission.add(asked(3, 1), answered(3, "They pass now."))
    changed = [
        ChangedFile(path="tests/test_parser.py", additions=3, deletions=1),
        ChangedFile(path="notes.txt", additions=0, deletions=9, status="deleted"),
    ]
    await mission.add(FilesChanged(files=changed, more=2))
    await mission.add(ended(Outcome.SUCCEEDED, "done", "They pass now."))


def prompted(cause: PromptCause, *messages: MessageReceived, said: str = "") -> Event:
    """Something that the session is about to be told."""
    return BackendPrompted(
        backend="opencode",
        session_id=SESSION,
        prompt_id=f"msg_{cause}",
        cause=cause,
        message_ids=[each.message_id for each in messages],
        said=said,
        decided_on=10**9,
    )


def asked(step: int, attempt: int) -> Event:
    """A model call that OpenCode makes."""
    return ModelAsked(
        step=step,
        attempt=attempt,
        model=MODEL,
        max_tokens=0,
        request_bytes=0,
        reserved_microdollars=0,
        decided_on=10**9,
        backend_id=reply_id(step),
    )


def try_failed(step: int) -> Event:
    """One that it will make again."""
    return ModelFailed(
        step=step,
        model=MODEL,
        code="provider.overloaded",
        message="Overloaded",
        is_retryable=True,
        retry_at=datetime(2026, 1, 1, 9, 30, tzinfo=UTC),
        cost_microdollars=0,
        cost_source="unknown",
        duration_ms=90,
        backend_id=reply_id(step),
    )


def answered(
    step: int,
    text: str,
    *calls: tuple[int, str],
    finish: str = "stop",
    within: CallId | None = None,
) -> Event:
    """A reply, some time after the calls that it asks for."""
    requested = [RequestedCall(call_id=call_id(n), name=name, arguments="{}") for n, name in calls]
    return ModelAnswered(
        step=step,
        purpose="step" if within is None else "subagent",
        model=MODEL,
        provider="anthropic",
        text=text,
        tool_calls=requested,
        finish_reason="tool_calls" if requested and finish == "stop" else finish,
        usage=USED,
        cost_microdollars=1_234,
        cost_source="priced",
        duration_ms=2_100,
        backend_id=reply_id(step),
        within=within,
    )


def called(
    number: int, name: str, effect: str, *, within: CallId | None = None, **arguments: str
) -> Event:
    """A call that begins."""
    fields = {"call_id": call_id(number), "name": name, "effect": effect}
    return ToolCalled.model_validate({**fields, "arguments": arguments, "within": within})


def returned(
    number: int, name: str, content: str, *, outcome: str = "ok", within: CallId | None = None
) -> Event:
    """Its answer."""
    fields = {"call_id": call_id(number), "name": name, "outcome": outcome, "content": content}
    return ToolReturned.model_validate({**fields, "duration_ms": 12, "within": within})


def call_id(number: int) -> CallId:
    """OpenCode's id of a call."""
    return CallId(f"prt_{number:012d}AbCdEfGhIjKlMn")


def reply_id(number: int) -> str:
    """OpenCode's id of a reply."""
    return f"msg_{number:012d}AbCdEfGhIjKlMn"
