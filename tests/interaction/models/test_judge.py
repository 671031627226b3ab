"""The `openai` SDK as the judge, both ways.

Our scripted server must satisfy it, and our client must get from a server what it gets.
"""

from collections.abc import AsyncIterator
from typing import Any, cast

import openai
import pydantic_core
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from open_agent.models.reply import ModelError, ModelReply, ModelRequest
from open_agent.scripted.faults import Cut, ErrorChunk, Refusal
from open_agent.scripted.script import Call, Style, Tokens, Turn
from open_agent.scripted.server import ScriptedServer
from tests.interaction.models.conftest import KEY, Connect

TURN = Turn(
    text="Grüße, 世界! 👋 And some more.",
    calls=(Call("read_file", {"path": "Ünï"}), Call("run_command", {"command": "ls\n"})),
    tokens=Tokens(1000, 50, cached=900, reasoning=10),
)
MESSAGES: list[Any] = [
    {"role": "system", "content": "You are a test."},
    {"role": "user", "content": "Do it."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "done"},
]
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
]
STYLES = {
    "plain": Style(),
    "a byte at a time": Style(piece_bytes=1),
    "crlf": Style(line_end="\r\n", piece_bytes=5),
    "gzip": Style(is_gzip=True),
    "comments": Style(comments=2),
    "several lines of data": Style(is_multi_line=True),
    "no end mark": Style(has_end=False),
    "calls whole": Style(calls="whole"),
}


@pytest.fixture
async def judge(connect: Connect) -> AsyncIterator[openai.AsyncOpenAI]:
    client, _ = connect(TURN)
    sdk = openai.AsyncOpenAI(base_url=client.endpoint.base_url, api_key=KEY, max_retries=0)
    yield sdk
    await sdk.close()


async def assemble(sdk: openai.AsyncOpenAI) -> dict[str, Any]:
    """A streamed reply, put together as the SDK's users do."""
    stream = await sdk.chat.completions.create(
        model="test/model",
        messages=MESSAGES,
        tools=TOOLS,
        stream=True,
        stream_options={"include_usage": True},
    )
    text, calls, finish, usage, model = "", dict[int, list[str]](), None, None, ""
    async for chunk in stream:
        model, usage = chunk.model, chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            collect(chunk, calls)
    assert usage is not None
    return {
        "text": text,
        "calls": [tuple(parts) for parts in calls.values()],
        "finish": finish,
        "model": model,
        "usage": [usage.prompt_tokens, usage.completion_tokens],
    }


def collect(chunk: ChatCompletionChunk, calls: dict[int, list[str]]) -> None:
    for delta in chunk.choices[0].delta.tool_calls or []:
        call = calls.setdefault(delta.index, [delta.id or "", "", ""])
        assert delta.function is not None
        call[1] += delta.function.name or ""
        call[2] += delta.function.arguments or ""


def gist(reply: ModelReply) -> dict[str, Any]:
    return {
        "text": reply.text,
        "calls": [(c.id, c.name, c.arguments) for c in reply.tool_calls],
        "finish": reply.finish_reason,
        "model": reply.model,
        "usage": [reply.usage.input_tokens, reply.usage.output_tokens],
    }


def our_request() -> ModelRequest:
    body = {"model": "test/model", "stream": True, "messages": MESSAGES, "tools": TOOLS}
    return ModelRequest(pydantic_core.to_json(body)[:-1], "test/model")


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_our_client_gets_what_the_sdk_gets(connect: Connect, style: Style) -> None:
    client, model = connect(Turn(TURN.text, calls=TURN.calls, tokens=TURN.tokens, style=style))
    ours = gist(await client.complete(our_request()))
    async with openai.AsyncOpenAI(base_url=client.endpoint.base_url, api_key=KEY) as sdk:
        theirs = await assemble(sdk)
    assert ours == theirs
    assert ours["text"] == TURN.text
    assert model.violations == []


async def test_the_sdk_reads_a_reply_that_is_not_streamed(judge: openai.AsyncOpenAI) -> None:
    reply = await judge.chat.completions.create(model="m", messages=MESSAGES, tools=TOOLS)
    message = reply.choices[0].message
    assert (message.content, reply.choices[0].finish_reason) == (TURN.text, "tool_calls")
    assert [call.id for call in message.tool_calls or []] == ["call_1_0", "call_1_1"]
    assert reply.usage is not None
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 900


async def test_our_replies_have_the_shape_the_sdk_declares(judge: openai.AsyncOpenAI) -> None:
    raw = await judge.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    ChatCompletion.model_validate_json(raw.content, strict=False)
    stream = await judge.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    async for chunk in stream:
        ChatCompletionChunk.model_validate(chunk.model_dump())


async def test_the_sdk_lists_the_models(scripted: ScriptedServer, connect: Connect) -> None:
    client, _ = connect(TURN)
    async with openai.AsyncOpenAI(base_url=client.endpoint.base_url, api_key=KEY) as sdk:
        assert [model.id async for model in sdk.models.list()] == ["scripted"]


REFUSALS = {
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}


@pytest.mark.parametrize("status", REFUSALS)
async def test_the_sdk_recognises_our_refusals(connect: Connect, status: int) -> None:
    client, _ = connect(Turn(fault=Refusal(status, "why", retry_after="3")))
    async with openai.AsyncOpenAI(
        base_url=client.endpoint.base_url, api_key=KEY, max_retries=0
    ) as sdk:
        with pytest.raises(REFUSALS[status]) as theirs:
            await sdk.chat.completions.create(model="m", messages=MESSAGES)
    with pytest.raises(ModelError) as ours:
        await client.complete(our_request())
    assert ours.value.status == cast(openai.APIStatusError, theirs.value).status_code == status
    assert ours.value.retry_after == float(theirs.value.response.headers["retry-after"])


@pytest.mark.parametrize("fault", [Cut(2), ErrorChunk(2)], ids=["cut", "error chunk"])
async def test_where_the_sdk_fails_we_fail(connect: Connect, fault: Cut | ErrorChunk) -> None:
    client, _ = connect(Turn("some text", fault=fault, style=Style(chunk_chars=2)))
    async with openai.AsyncOpenAI(
        base_url=client.endpoint.base_url, api_key=KEY, max_retries=0
    ) as sdk:
        with pytest.raises(Exception):  # noqa: B017, PT011 - the SDK lets its HTTP client's errors out
            await assemble(sdk)
    with pytest.raises(ModelError):
        await client.complete(our_request())


async def test_a_request_that_breaks_the_rules_is_refused_with_the_reason(
    connect: Connect,
) -> None:
    client, model = connect(TURN)
    async with openai.AsyncOpenAI(base_url=client.endpoint.base_url, api_key=KEY) as sdk:
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat.completions.create(model="m", messages=MESSAGES[:-1])
    assert "have no answer" in caught.value.message
    assert model.violations == ["the calls ['c1'] have no answer"]
