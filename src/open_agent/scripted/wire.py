"""Turns as the bytes that an OpenAI-compatible provider would send."""

from collections.abc import Iterator
from typing import Any

import pydantic_core

from open_agent.scripted.script import Asked, Call, Json, Turn

_CREATED = 1_700_000_000


def chunks(turn: Turn, asked: Asked) -> list[bytes]:
    """The JSON of every chunk of a streamed reply, without the end mark."""
    return [pydantic_core.to_json(_frame(asked) | part) for part in _parts(turn, asked)]


def event(data: bytes, turn: Turn) -> bytes:
    """A chunk as a server-sent event, in the turn's style."""
    end = turn.style.line_end.encode()
    is_spread = turn.style.is_multi_line and data.startswith(b'{"id"')
    lines = _spread(data) if is_spread else [data]
    comments = (b": OPENROUTER PROCESSING" + end + end) * turn.style.comments
    return comments + b"".join(b"data: " + line + end for line in lines) + end


def whole(turn: Turn, asked: Asked) -> bytes:
    """The reply as one JSON object, for clients that do not stream."""
    message: Json = {"role": "assistant", "content": turn.text or None}
    if turn.reasoning:
        message["reasoning"] = turn.reasoning
    if turn.reasoning_details:
        message["reasoning_details"] = list(turn.reasoning_details)
    if turn.calls:
        message["tool_calls"] = [
            _whole_call(call, asked, place) for place, call in enumerate(turn.calls)
        ]
    body = _frame(asked) | {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason(turn)}],
        "usage": usage(turn),
    }
    return pydantic_core.to_json(body)


def error(message: str, code: int | str | None) -> bytes:
    """An error as providers phrase it."""
    return pydantic_core.to_json({"error": {"message": message, "code": code, "type": "scripted"}})


def finish_reason(turn: Turn) -> str:
    """Why the reply ends."""
    return turn.finish_reason or ("tool_calls" if turn.calls else "stop")


def usage(turn: Turn) -> Json:
    """What the reply used, with OpenRouter's cost where the script has one."""
    tokens = turn.tokens
    body: Json = {
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {
            "cached_tokens": tokens.cached,
            "cache_write_tokens": tokens.cache_write,
        },
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
    }
    return body if tokens.cost_dollars is None else body | {"cost": tokens.cost_dollars}


def _frame(asked: Asked) -> Json:
    return {
        "id": f"chatcmpl-scripted-{asked.turn}",
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": asked.model,
        "provider": "scripted",
    }


def _parts(turn: Turn, asked: Asked) -> Iterator[Json]:
    yield _delta({"role": "assistant", "content": ""})
    for piece in _cut(turn.reasoning, turn.style.chunk_chars):
        yield _delta({"reasoning": piece})
    for detail in turn.reasoning_details:
        yield _delta({"reasoning_details": [detail]})
    for piece in _cut(turn.text, turn.style.chunk_chars):
        yield _delta({"content": piece})
    for place, call in enumerate(turn.calls):
        for fragment in _call_parts(call, turn, asked, place):
            yield _delta({"tool_calls": [fragment]})
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason(turn)}]}
    if turn.style.has_usage:
        yield {"choices": [], "usage": usage(turn)}


def _delta(delta: Json) -> Json:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def _call_parts(call: Call, turn: Turn, asked: Asked, place: int) -> Iterator[Json]:
    made = _whole_call(call, asked, place)
    arguments = made["function"]["arguments"]
    index: Json = {} if turn.style.calls == "no_index" else {"index": place}
    if turn.style.calls == "same_index":
        index = {"index": 0}
    if turn.style.calls == "no_id":
        del made["id"]
    if turn.style.calls != "openai":
        yield index | made
        return
    yield index | made | {"function": {"name": call.name, "arguments": ""}}
    for piece in _cut(arguments, turn.style.chunk_chars):
        yield index | {"function": {"arguments": piece}}


def _whole_call(call: Call, asked: Asked, place: int) -> Json:
    arguments: Any = call.arguments
    if not isinstance(arguments, str):
        arguments = pydantic_core.to_json(arguments).decode()
    return {
        "id": f"call_{asked.turn}_{place}" if call.id is None else call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _cut(text: str, size: int) -> Iterator[str]:
    return (text[start : start + size] for start in range(0, len(text), size))


def _spread(data: bytes) -> list[bytes]:
    """JSON over several lines, broken only where blanks are allowed."""
    value = pydantic_core.from_json(data)
    return pydantic_core.to_json(value, indent=1).split(b"\n")
