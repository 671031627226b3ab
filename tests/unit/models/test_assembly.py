"""Replies from chunks of any shape: what a careful provider sends, and what a careless one may."""

import contextlib
from typing import Any

import pydantic_core
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot

from open_agent.core.run import Usage
from open_agent.models.assembly import MAX_REPLAY_BYTES, ReplyBuilder
from open_agent.models.body import BodyReader
from open_agent.models.reply import ModelError, ModelReply, WireCall

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def odd(*likely: Any) -> st.SearchStrategy[Any]:
    """Mostly something plausible, sometimes anything."""
    return st.sampled_from(likely) | ANYTHING


CALL = st.fixed_dictionaries(
    {},
    optional={
        "index": odd(0, 1, -1),
        "id": odd("a", "b", ""),
        "type": odd("function"),
        "function": st.fixed_dictionaries(
            {}, optional={"name": odd("f", "g", ""), "arguments": odd("{", "}", "{}", {"a": 1})}
        )
        | ANYTHING,
        "extra": ANYTHING,
    },
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "role": odd("assistant"),
        "content": odd("text", "", [{"type": "text", "text": "t"}]),
        "reasoning": odd("r"),
        "reasoning_content": odd("r"),
        "reasoning_details": st.lists(
            st.fixed_dictionaries(
                {}, optional={"type": odd("reasoning.text"), "index": odd(0, 1), "text": odd("t")}
            )
            | ANYTHING,
            max_size=2,
        ),
        "refusal": odd("no"),
        "tool_calls": st.lists(CALL | ANYTHING, max_size=3) | ANYTHING,
    },
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": odd(0, 1),
        "delta": DELTA | ANYTHING,
        "message": DELTA | ANYTHING,
        "finish_reason": odd("stop", "tool_calls", None, "length"),
    },
)
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "model": odd("m"),
        "provider": odd("p"),
        "choices": st.lists(CHOICE | ANYTHING, max_size=2) | ANYTHING,
        "usage": odd({"prompt_tokens": 1, "cost": 0.1}, {"prompt_tokens": "many"}),
        "error": st.none() | ANYTHING,
    },
)


@pytest.mark.timeout(60)
@given(st.lists(CHUNK | ANYTHING, max_size=6), st.booleans())
@settings(max_examples=200, deadline=None)
@example(
    [{"choices": [{"delta": {"tool_calls": [{"index": True, "function": {"name": "f"}}]}}]}], False
)
def test_no_shape_of_chunks_breaks_the_client(chunks: list[Any], is_whole: bool) -> None:
    builder = ReplyBuilder()
    with contextlib.suppress(ModelError):
        for chunk in chunks:
            builder.add(chunk, is_whole=is_whole)
    reply = builder.build(first_token_ms=None, duration_ms=1)
    assert all(isinstance(call.arguments, str) for call in reply.tool_calls)
    assert all(isinstance(value, int) for value in dict(reply.usage).values())
    pydantic_core.to_json(reply.provider_message)


@pytest.mark.timeout(60)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"data: {}\n\n", b"data: [", b"\n\n"])))
def test_no_bytes_break_the_reader(pieces: list[bytes]) -> None:
    reader = BodyReader(ReplyBuilder())
    with contextlib.suppress(ModelError):
        for piece in pieces:
            reader.feed(piece)
        reader.finish()


def build(*deltas: dict[str, Any], **finish: Any) -> ModelReply:
    builder = ReplyBuilder()
    for delta in deltas:
        builder.add({"choices": [{"index": 0, "delta": delta}]})
    if finish:
        builder.add({"choices": [{"index": 0, "delta": {}, **finish}]})
    return builder.build(first_token_ms=None, duration_ms=0)


def call(index: int | None, id_: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    fields = {"index": index, "id": id_, "function": function}
    return {"tool_calls": [{k: v for k, v in fields.items() if v is not None}]}


CAREFUL = (WireCall("a", "f", '{"x":1}'), WireCall("b", "g", "{}"))
STREAMS: dict[str, tuple[list[dict[str, Any]], tuple[WireCall, ...]]] = {
    "as OpenAI does it": (
        [
            call(0, "a", "f", ""),
            call(0, None, None, '{"x"'),
            call(0, None, None, ":1}"),
            call(1, "b", "g", "{}"),
        ],
        CAREFUL,
    ),
    "interleaved": (
        [
            call(0, "a", "f", '{"x"'),
            call(1, "b", "g", "{"),
            call(0, None, None, ":1}"),
            call(1, None, None, "}"),
        ],
        CAREFUL,
    ),
    "the id in every fragment": (
        [call(0, "a", "f", '{"x"'), call(0, "a", None, ":1}"), call(1, "b", "g", "{}")],
        CAREFUL,
    ),
    "id and name in every fragment": (
        [call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}"), call(1, "b", "g", "{}")],
        CAREFUL,
    ),
    "a new id in every fragment": (
        [call(0, "a", "f", '{"x"'), call(0, "zzz", None, ":1}"), call(1, "b", "g", "{}")],
        CAREFUL,
    ),
    "all at index 0": ([call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")], CAREFUL),
    "no index": (
        [call(None, "a", "f", '{"x"'), call(None, None, None, ":1}"), call(None, "b", "g", "{}")],
        CAREFUL,
    ),
    "no index and no ids": (
        [call(None, None, "f", '{"x":1}'), call(None, None, "g", "{}")],
        (WireCall("", "f", '{"x":1}'), WireCall("", "g", "{}")),
    ),
    "arguments as an object": (
        [call(0, "a", "f", {"x": 1}), call(1, "b", "g", {})],
        CAREFUL,
    ),
    "a name in two parts": (
        [call(0, "a", "run_", ""), call(0, None, "command", "{}")],
        (WireCall("a", "run_command", "{}"),),
    ),
    "the id after the name": (
        [call(0, None, "f", ""), call(0, "a", None, "{}")],
        (WireCall("a", "f", "{}"),),
    ),
    "indexes that begin anywhere": (
        [call(7, "a", "f", '{"x":1}'), call(3, "b", "g", "{}")],
        CAREFUL,
    ),
}


@pytest.mark.parametrize(("deltas", "expected"), STREAMS.values(), ids=STREAMS)
def test_calls_are_put_together(
    deltas: list[dict[str, Any]], expected: tuple[WireCall, ...]
) -> None:
    assert build(*deltas).tool_calls == expected


def test_reasoning_goes_back_in_the_field_it_came_in() -> None:
    assert build({"reasoning_content": "a"}, {"reasoning_content": "b"}).provider_message == {
        "message": {"reasoning_content": "ab"}
    }
    assert build({"reasoning": "a"}).provider_message == {"message": {"reasoning": "a"}}
    assert build({"content": "a"}).provider_message is None


def test_what_a_provider_adds_to_a_call_goes_back_with_it() -> None:
    delta = call(0, "a", "f", "{}")
    delta["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    reply = build(delta, call(1, "b", "g", "{}"))
    assert reply.provider_message == {
        "calls": [{"extra_content": {"google": {"thought_signature": "s"}}}, {}]
    }


def test_what_is_too_large_to_go_back_is_dropped() -> None:
    detail = {"type": "reasoning.encrypted", "data": "x" * MAX_REPLAY_BYTES}
    assert build({"reasoning_details": [detail]}).provider_message is None


def test_text_in_parts_and_thinking_in_parts_are_told_apart() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    reply = build({"content": [thinking, {"type": "text", "text": "Hello"}]})
    assert (reply.text, reply.reasoning) == ("Hello", "hm")


def test_a_second_choice_is_not_mixed_in() -> None:
    builder = ReplyBuilder()
    builder.add({"choices": [{"index": 0, "delta": {"content": "one"}}]})
    builder.add({"choices": [{"index": 1, "delta": {"content": "two"}}]})
    assert builder.text == "one"


def test_empty_chunks_are_no_sign_of_life() -> None:
    builder = ReplyBuilder()
    chunks: list[dict[str, Any]] = [
        {},
        {"choices": []},
        {"choices": [{"delta": {}}]},
        {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"content": None, "reasoning": ""}, "finish_reason": None}]},
    ]
    assert [builder.add(chunk) for chunk in chunks] == [False] * 5
    assert builder.add({"choices": [{"delta": {"content": "x"}}]})


USAGES: dict[str, dict[str, Any]] = {
    "openrouter": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 80, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 5},
        "cost": 0.000001,
    },
    "with a key of one's own": {
        "cost": 0.001,
        "is_byok": True,
        "cost_details": {"upstream_inference_cost": 0.02},
    },
    "deepseek": {"prompt_tokens": 100, "prompt_cache_hit_tokens": 60},
    "anthropic": {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 4},
    "nonsense": {"prompt_tokens": -5, "completion_tokens": "many", "cost": "free"},
    "not finite": {"prompt_tokens": float("inf"), "cost": float("nan")},
    "absurd": {"prompt_tokens": 10**400, "cost": 10**400},
    "booleans": {"prompt_tokens": True, "cost": True},
}


def test_usage_is_read_in_every_dialect() -> None:
    read: dict[str, tuple[Usage, int | None]] = {}
    for name, usage in USAGES.items():
        builder = ReplyBuilder()
        builder.add({"choices": [], "usage": usage})
        read[name] = (builder.usage, builder.cost_microdollars)
    assert read == snapshot(
        {
            "openrouter": (
                Usage(
                    input_tokens=100,
                    cached_tokens=80,
                    cache_write_tokens=10,
                    output_tokens=20,
                    reasoning_tokens=5,
                ),
                1,
            ),
            "with a key of one's own": (Usage(), 21000),
            "deepseek": (Usage(input_tokens=100, cached_tokens=60), None),
            "anthropic": (Usage(input_tokens=9, cached_tokens=4, output_tokens=3), None),
            "nonsense": (Usage(), None),
            "not finite": (Usage(), None),
            "absurd": (Usage(), None),
            "booleans": (Usage(), None),
        }
    )
