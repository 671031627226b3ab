"""The demonstration goes on from whatever its results say."""

from collections.abc import Callable
from typing import Any

import pydantic_core
import pytest

from open_agent.scripted.checks import read_request
from open_agent.scripted.demo import COMMIT_MESSAGE, demo
from open_agent.scripted.script import Asked, Call, Json

GOOD = {
    "init -q": "Python 3.11.2\ngit version 2.39",
    "unittest": "Ran 2 tests\nOK",
    "git log": f"abc123 {COMMIT_MESSAGE}",
}
UNKNOWN = "Outcome unknown: the server stopped while this call ran."


def good(call: Call) -> str:
    assert isinstance(call.arguments, dict)
    command = str(call.arguments.get("command", ""))
    return next((result for part, result in GOOD.items() if part in command), "Done.")


def perform(answer: Callable[[Call, int], str], messages: list[Json]) -> tuple[str, list[str]]:
    """Play until the end; the last text, and the tools that were called."""
    script, called = demo(0), list[str]()
    while True:
        body: Json = {"model": "demo", "messages": messages}
        turn = script(Asked(body, 1))
        if not turn.calls:
            messages.append({"role": "assistant", "content": turn.text})
            return turn.text, called
        [call] = turn.calls
        called.append(call.name)
        assert len(called) < 40
        messages += step(call, f"c{len(messages)}", answer(call, len(called)))


def step(call: Call, call_id: str, result: str) -> list[Json]:
    function: dict[str, Any] = {"name": call.name, "arguments": "{}"}
    asked = {"id": call_id, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": "…", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    ]


def fresh() -> list[Json]:
    return [{"role": "user", "content": "Whatever."}]


def test_all_goes_well() -> None:
    messages = fresh()
    text, called = perform(lambda call, n: good(call), messages)
    assert called == [
        "run_command",
        "write_file",
        "write_file",
        "run_command",
        "read_file",
        "edit_file",
        "run_command",
        "git_commit",
        "run_command",
    ]
    assert f"abc123 {COMMIT_MESSAGE}" in text
    assert "OPENROUTER_API_KEY" in text
    assert "scripted demonstration" in text
    body = pydantic_core.to_json({"model": "demo", "messages": messages})
    assert read_request(body)[1] == []


@pytest.mark.parametrize("lost", range(1, 10))
def test_a_result_that_is_lost_at_any_step_is_made_up_for(lost: int) -> None:
    text, _ = perform(lambda call, n: UNKNOWN if n == lost else good(call), fresh())
    assert f"abc123 {COMMIT_MESSAGE}" in text


def test_an_edit_that_did_not_take_is_made_up_for_by_writing_the_file() -> None:
    results = iter(["FAILED", "written", "Ran 2 tests\nOK"])

    def answer(call: Call, number: int) -> str:
        return next(results) if number in (7, 8, 9) else good(call)

    text, called = perform(answer, fresh())
    assert called[6:9] == ["run_command", "write_file", "run_command"]
    assert COMMIT_MESSAGE in text


@pytest.mark.parametrize("first_bad", [1, 2, 4, 9])
def test_what_keeps_failing_is_told_and_ends(first_bad: int) -> None:
    def answer(call: Call, number: int) -> str:
        return "error: Read-only file system" if number >= first_bad else good(call)

    text, called = perform(answer, fresh())
    assert "Read-only file system" in text
    assert len(called) <= first_bad + 5


def test_a_second_run_makes_a_project_of_its_own() -> None:
    messages = fresh()
    perform(lambda call, n: good(call), messages)
    messages.append({"role": "user", "content": "Again."})
    turn = demo(0)(Asked({"model": "demo", "messages": messages}, 1))
    assert "open-agent-demo-2" in str(turn.calls[0].arguments)


def test_a_request_for_notes_is_answered_with_notes() -> None:
    body: Json = {"model": "demo", "messages": fresh(), "tool_choice": "none"}
    assert not demo(0)(Asked(body, 1)).calls
