"""What OpenCode sends, read with tolerance: bodies are as 1.18.33 sent them, shortened."""

from typing import Any

import pytest

from open_agent.backends.opencode.protocol.client import new_message_id
from open_agent.backends.opencode.protocol.parts import (
    OtherPart,
    PatchPart,
    ReasoningPart,
    StepFinishPart,
    TextPart,
    ToolPart,
    read_part,
)
from open_agent.backends.opencode.protocol.wire import (
    FeedEvent,
    Message,
    ProviderList,
    SessionInfo,
    session_of,
)
from open_agent.core.clock import SystemClock

IDS = {"id": "prt_1", "sessionID": "ses_1", "messageID": "msg_1"}
TOOL = {
    **IDS,
    "type": "tool",
    "callID": "call_1",
    "tool": "bash",
    "state": {
        "status": "completed",
        "input": {"command": "ls"},
        "output": "a\n",
        "title": "List",
        "metadata": {"exit": 0, "outputPath": "/x"},
        "time": {"start": 1, "end": 2},
    },
}


def test_parts_are_read_by_their_kind() -> None:
    tokens = {"total": 3, "input": 1, "output": 2, "reasoning": 0, "cache": {"read": 4, "write": 5}}
    parts = [
        read_part({**IDS, "type": "text", "text": "Hi", "synthetic": True, "time": {"start": 1}}),
        read_part({**IDS, "type": "reasoning", "text": "Hm", "time": {"start": 1, "end": 2}}),
        read_part(TOOL),
        read_part({**IDS, "type": "step-finish", "reason": "stop", "cost": 0.5, "tokens": tokens}),
        read_part({**IDS, "type": "patch", "hash": "h", "files": ["/w/a"]}),
    ]
    text, reasoning, tool, finish, patch = parts
    assert isinstance(text, TextPart)
    assert (text.text, text.is_synthetic, text.time.end) == ("Hi", True, None)
    assert isinstance(reasoning, ReasoningPart)
    assert isinstance(tool, ToolPart)
    assert (tool.call_id, tool.state.output, tool.state.time.end) == ("call_1", "a\n", 2)
    assert isinstance(finish, StepFinishPart)
    assert (finish.cost, finish.tokens.cache.read, finish.tokens.cache.write) == (0.5, 4, 5)
    assert isinstance(patch, PatchPart)
    assert {part.id for part in parts} == {"prt_1"}


@pytest.mark.parametrize(
    "strange",
    [
        {**IDS, "type": "snapshot", "snapshot": "h"},
        {**IDS, "type": "tool", "callID": "call_1", "tool": "bash", "state": {"status": "new"}},
        {**IDS, "type": "text", "text": {"not": "text"}},
        {**IDS},
        {"type": "text"},
        {},
    ],
)
def test_a_part_that_is_not_understood_costs_nothing_but_itself(strange: dict[str, Any]) -> None:
    info = {"id": "msg_1", "sessionID": "ses_1", "role": "assistant", "new": {"field": 1}}
    message = Message.model_validate({"info": info, "parts": [strange, TOOL], "new": 1})
    other, tool = message.parts
    assert isinstance(other, OtherPart)
    assert other.raw == strange
    assert isinstance(tool, ToolPart)


def test_errors_are_read_in_each_of_their_forms() -> None:
    data = {"message": "no", "statusCode": 400, "isRetryable": False, "responseBody": "{}"}
    error = FeedEvent("session.error", {"error": {"name": "APIError", "data": data}}, "s").error()
    assert error is not None
    assert (error.name, error.message, error.status_code) == ("APIError", "no", 400)
    words = FeedEvent("session.error", {"error": "no"}, "s").error()
    assert words is not None
    assert (words.name, words.message) == ("UnknownError", "no")
    assert FeedEvent("session.error", {}, "s").error() is None
    info = {
        "id": "msg_2",
        "role": "assistant",
        "error": {"name": "MessageAbortedError", "data": {"message": "Aborted"}},
    }
    message = FeedEvent("message.updated", {"info": info}, "s").message()
    assert message is not None
    assert message.error is not None
    assert message.error.name == "MessageAbortedError"


def test_events_are_read_as_what_they_are_about() -> None:
    retry = {"type": "retry", "attempt": 2, "message": "busy", "next": 1795822502296}
    status = FeedEvent("session.status", {"status": retry}, "s").status()
    assert status is not None
    assert (status.type, status.attempt, status.next) == ("retry", 2, 1795822502296)
    todos = FeedEvent(
        "todo.updated", {"todos": [{"content": "a", "status": "pending"}, {"odd": 1}]}, "s"
    )
    assert [todo.content for todo in todos.todos()] == ["a"]
    ask = {
        "id": "per_1",
        "sessionID": "ses_1",
        "permission": "external_directory",
        "patterns": ["/etc/*"],
        "always": ["/etc/*"],
        "metadata": {},
        "tool": {"messageID": "msg_1", "callID": "call_1"},
    }
    permission = FeedEvent("permission.asked", ask, "ses_1").permission()
    assert permission is not None
    assert permission.tool is not None
    assert (permission.permission, permission.tool.call_id) == ("external_directory", "call_1")
    question = {
        "id": "que_1",
        "sessionID": "ses_1",
        "questions": [{"question": "Which?", "header": "H", "options": [{"label": "A"}]}],
    }
    asked = FeedEvent("question.asked", question, "ses_1").question()
    assert asked is not None
    assert asked.questions[0].options[0].label == "A"
    child = {"id": "ses_2", "parentID": "ses_1", "directory": "/w", "title": "t"}
    session = FeedEvent("session.created", {"info": child}, "ses_2").session()
    assert isinstance(session, SessionInfo)
    assert session.parent_id == "ses_1"


@pytest.mark.parametrize(
    ("properties", "session_id"),
    [
        ({"sessionID": "ses_1", "info": {"id": "x"}}, "ses_1"),
        ({"info": {"id": "msg_1", "sessionID": "ses_1"}}, "ses_1"),
        ({"part": {"id": "prt_1", "sessionID": "ses_1"}}, "ses_1"),
        ({"info": {"id": "ses_1", "parentID": "ses_0"}}, "ses_1"),
        ({"file": "/w/a"}, ""),
        ({"sessionID": 7}, ""),
    ],
)
def test_the_session_of_an_event_is_where_its_kind_has_it(
    properties: dict[str, Any], session_id: str
) -> None:
    assert session_of(properties) == session_id


def test_models_are_read_of_every_provider() -> None:
    model = {
        "id": "anthropic/claude",
        "providerID": "openrouter",
        "name": "Claude",
        "limit": {"context": 200000, "output": 8192},
        "cost": {"input": 3, "output": 15, "cache": {"read": 0.3, "write": 3.75}},
    }
    listed = ProviderList.model_validate(
        {
            "providers": [
                {"id": "openrouter", "models": {"anthropic/claude": model}},
                {"id": "empty"},
            ]
        }
    )
    (found,) = listed.models
    assert str(found.ref) == "openrouter/anthropic/claude"
    assert (found.limit.context, found.cost.cache.read) == (200000, 0.3)


def test_our_message_ids_have_the_form_that_opencode_takes_and_no_two_are_the_same() -> None:
    clock = SystemClock()
    ids = {new_message_id(clock) for _ in range(1000)}
    assert len(ids) == 1000
    for id_ in ids:
        prefix, _, rest = id_.partition("_")
        assert (prefix, len(rest)) == ("msg", 26)
        assert int(rest[:12], 16) % 4096 == 0
        assert rest.isalnum()
