"""From a function to a tool, and from whatever a model sends to its arguments."""

import contextlib
import json
from typing import Annotated, Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic import Field

from open_agent.tools.clipping import Clipped
from open_agent.tools.definition import Effect, ToolContext, ToolFailed, ToolOutput, tool
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.processes import ProcessLost


@tool(effect=Effect.WRITE, timeout=0.05)
async def example(
    ctx: ToolContext,
    what: str,
    times: Annotated[int, Field(ge=1, le=9)] = 1,
    where: str | None = None,
    names: list[str] | None = None,
    loud: bool = False,
) -> str | ToolOutput:
    """Do something, on
    several lines.

    And more of it.

    Args:
        what: The thing, which
            is long to describe.
        times: How often.
        where: In which place.
        names: Whose.
        loud: Whether to shout.
    """
    match what:
        case "wait":
            await anyio.sleep_forever()
        case "missing":
            raise FileNotFoundError(2, "No such file", "/nowhere")
        case "lost":
            raise ProcessLost("It is gone.")
        case "output":
            return ToolOutput("shown", exit_code=1)
        case _:
            return f"{what} {times} {where} {names} {loud}"
    raise AssertionError


@tool(effect=Effect.READ, timeout=1)
async def bare(ctx: ToolContext) -> str:
    """Needs nothing."""
    return "x" * 100_000


def test_a_schema_says_what_the_signature_and_the_docstring_say() -> None:
    assert example.schema == snapshot(
        {
            "type": "function",
            "function": {
                "name": "example",
                "description": """\
Do something, on several lines.
And more of it.\
""",
                "parameters": {
                    "additionalProperties": False,
                    "properties": {
                        "what": {
                            "description": "The thing, which is long to describe.",
                            "type": "string",
                        },
                        "times": {
                            "default": 1,
                            "description": "How often.",
                            "maximum": 9,
                            "minimum": 1,
                            "type": "integer",
                        },
                        "where": {"type": "string", "description": "In which place."},
                        "names": {
                            "items": {"type": "string"},
                            "type": "array",
                            "description": "Whose.",
                        },
                        "loud": {
                            "default": False,
                            "description": "Whether to shout.",
                            "type": "boolean",
                        },
                    },
                    "required": ["what"],
                    "type": "object",
                },
            },
        }
    )
    assert bare.schema["function"]["parameters"] == snapshot(
        {"additionalProperties": False, "properties": {}, "type": "object"}
    )


@pytest.mark.parametrize(
    ("sent", "understood"),
    [
        ('{"what": "x"}', {"what": "x"}),
        ('{"what": "x", "times": "3"}', {"what": "x", "times": 3}),
        ('{"what": "x", "where": null, "names": null, "loud": null}', {"what": "x"}),
        ('{"what": "x", "loud": "true"}', {"what": "x", "loud": True}),
        ('{"what": "x", "names": ["a"]}', {"what": "x", "names": ["a"]}),
        ('  {"what": "\\u00e9\\ud83d\\ude00"}  ', {"what": "é😀"}),
    ],
)
def test_arguments_are_understood(sent: str, understood: dict[str, Any]) -> None:
    assert example.parse(sent) == understood


def test_arguments_come_in_the_order_of_the_signature() -> None:
    sent = '{"loud":true,"names":[],"where":"w","times":2,"what":"x"}'
    assert list(example.parse(sent)) == ["what", "times", "where", "names", "loud"]


def test_no_arguments_at_all_are_none() -> None:
    assert bare.parse("") == {}
    assert bare.parse("{}") == {}


BAD = {
    "nothing": "",
    "not JSON": '{"what": ',
    "prose": "I will call it with what=x",
    "two objects": '{"what": "x"}{"what": "y"}',
    "an array": "[1]",
    "a string": '"x"',
    "null": "null",
    "missing": '{"times": 2}',
    "null for what is needed": '{"what": null}',
    "wrong types": '{"what": 1, "times": "many", "names": "a", "loud": []}',
    "out of range": '{"what": "x", "times": 10}',
    "unknown names": '{"what": "x", "wat": 1, "' + "k" * 30_000 + '": 2}',
    "nested": '{"what": ' + "[" * 10_000 + "]" * 10_000 + "}",
    "not a number": '{"what": "x", "times": NaN}',
    "half a character": '{"what": "\\ud800"}',
    "5 MB": '{"what": "' + "x" * 5_000_000 + '"}',
}


def test_what_is_wrong_with_arguments_is_said_shortly() -> None:
    """Check 58."""
    said: dict[str, str] = {}
    for kind, sent in BAD.items():
        with pytest.raises(ToolFailed) as refused:
            example.parse(sent)
        said[kind] = str(refused.value)
        assert len(said[kind]) < 1_500
    assert said == snapshot(
        {
            "nothing": "example was not called: `what` is missing. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "not JSON": "example was not called: its arguments are not valid JSON: EOF while parsing a value at line 1 column 9.",
            "prose": "example was not called: its arguments are not valid JSON: expected value at line 1 column 1.",
            "two objects": "example was not called: its arguments are not valid JSON: trailing characters at line 1 column 14.",
            "an array": "example was not called: its arguments must be a JSON object, not an array.",
            "a string": "example was not called: its arguments must be a JSON object, not a string.",
            "null": "example was not called: its arguments must be a JSON object, not null.",
            "missing": "example was not called: `what` is missing. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "null for what is needed": "example was not called: `what`: Input should be a valid string. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "wrong types": "example was not called: `what`: Input should be a valid string; `times`: Input should be a valid integer, unable to parse string as an integer; `names`: Input should be a valid list; `loud`: Input should be a valid boolean. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "out of range": "example was not called: `times`: Input should be less than or equal to 9. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "unknown names": "example was not called: there is no parameter `wat`; there is no parameter `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk`. Its parameters are: `what`, `times`, `where`, `names`, `loud`.",
            "nested": "example was not called: its arguments are not valid JSON: recursion limit exceeded at line 1 column 210.",
            "not a number": "example was not called: its arguments are not valid JSON: expected value at line 1 column 24.",
            "half a character": "example was not called: its arguments are not valid JSON: unexpected end of hex escape at line 1 column 17.",
            "5 MB": "example was not called: its arguments are 5,000,012 characters long; at most 4,000,000 are read. Work in smaller pieces.",
        }
    )


@given(st.text() | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_understood_or_refused(sent: str) -> None:
    """Check 58."""
    with contextlib.suppress(ToolFailed):
        assert set(example.parse(sent)) >= {"what"}


async def test_a_tool_answers_with_text_or_more(ctx: ToolContext) -> None:
    assert await example.invoke(ctx, {"what": "x"}) == ToolOutput("x 1 None None False")
    assert await example.invoke(ctx, {"what": "output"}) == ToolOutput("shown", exit_code=1)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("wait", "example did not finish within 0.05 seconds and was stopped."),
        ("missing", "No such file: /nowhere. Look with list_directory"),
        ("lost", "It is gone. Its processes are being ended"),
    ],
)
async def test_what_goes_wrong_in_a_tool_is_a_refusal(
    ctx: ToolContext, what: str, said: str
) -> None:
    with anyio.fail_after(2), pytest.raises(ToolFailed, match=said):
        await example.invoke(ctx, {"what": what})


async def test_a_cancelled_tool_is_cancelled_and_not_a_failure(ctx: ToolContext) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await example.invoke(ctx, {"what": "wait"})
    assert scope.cancelled_caught


async def test_no_answer_is_too_long_to_show(ctx: ToolContext) -> None:
    clipped = Clipped(bare)
    output = await clipped.invoke(ctx, clipped.parse(""))
    assert len(output.content) < 33_000
    assert "68,000 characters left out" in output.content
    assert (clipped.name, clipped.effect, clipped.schema) == (bare.name, "read", bare.schema)


def test_a_toolbox_knows_its_tools_and_what_may_have_been_meant() -> None:
    toolbox = Toolbox([example, bare])
    assert toolbox.names == ["example", "bare"]
    assert toolbox.get("bare") is bare
    assert toolbox.get("Bare") is None
    assert toolbox.schemas() == [example.schema, bare.schema]
    assert toolbox.near("exampel") == ["example"]
    assert toolbox.near("BARE") == ["bare"]
    assert toolbox.near("x" * 30_000) == []
