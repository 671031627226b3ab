"""The judge of requests: what is right passes, and each kind of wrong is named."""

from typing import Any

import pydantic_core
import pytest

from open_agent.scripted.checks import read_request

SYSTEM = {"role": "system", "content": "You are a test."}
USER = {"role": "user", "content": "Do it."}


def reply(*ids: str, arguments: str = "{}", name: str = "f") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    calls = [{"id": id_, "type": "function", "function": function} for id_ in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id_: str, content: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def judge(*messages: dict[str, Any], **fields: Any) -> list[str]:
    body = {"model": "m", "messages": list(messages), **fields}
    return read_request(pydantic_core.to_json(body))[1]


def test_a_valid_conversation_passes() -> None:
    tools: list[dict[str, Any]] = [
        {"type": "function", "function": {"name": "f", "parameters": {}}}
    ]
    answered = [reply("a", "b"), result("b"), result("a"), reply("c"), result("c")]
    assert judge(SYSTEM, USER, *answered, USER, tools=tools, max_tokens=5) == []


WRONG: dict[str, list[dict[str, Any]]] = {
    "have no answer": [USER, reply("a")],
    "comes before the answers": [USER, reply("a"), USER, result("a")],
    "answers no open call": [USER, result("a")],
    "answers no open call: 'a'": [USER, reply("a"), result("a"), result("a")],
    "system message in the middle": [USER, SYSTEM],
    "(user) has no content": [{"role": "user", "content": " "}],
    "(assistant) has no content": [USER, {"role": "assistant", "content": ""}],
    "(tool) has no content": [USER, reply("a"), result("a", "")],
    "empty list of calls": [USER, {"role": "assistant", "content": "x", "tool_calls": []}],
    "missing or used id": [USER, reply(""), USER],
    "missing or used id: 'a'": [USER, reply("a"), result("a"), reply("a"), result("a")],
    "impossible name": [USER, reply("a", name="rm -rf"), result("a")],
    "no JSON object": [USER, reply("a", arguments="[1]"), result("a")],
}


@pytest.mark.parametrize(("said", "messages"), WRONG.items(), ids=WRONG)
def test_what_is_wrong_is_named(said: str, messages: list[dict[str, Any]]) -> None:
    assert any(said in violation for violation in judge(*messages))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"model":"m","messages":[]}',
        b'{"model":"m","messages":[1]}',
        b'{"model":"m","messages":[{"role":"robot"}]}',
        b'{"messages":[{"role":"user","content":"x"}]}',
        b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":NaN}',
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    request, violations = read_request(body)
    assert request is None
    assert violations


def test_limits_and_tools_are_looked_at() -> None:
    assert judge(USER, max_tokens=0)
    assert judge(USER, tools=[])
    assert judge(USER, tools=[{"type": "function", "function": {"name": "a b"}}])
