"""What a client makes of healthy replies, in every shape that bytes can take."""

from typing import Any

import pytest
from inline_snapshot import snapshot

from open_agent.core.run import Usage
from open_agent.models.client import ModelClient
from open_agent.models.reply import ModelReply, ModelRequest, WireCall
from open_agent.scripted.script import Asked, Call, Style, Tokens, Turn
from tests.interaction.models.conftest import KEY, Connect

FULL = Turn(
    text="Grüße, 世界! 👋 And some more text.",
    reasoning="Let me think about it.",
    calls=(Call("read_file", {"path": "Ünï"}), Call("run_command", {"command": "ls\n"})),
    tokens=Tokens(1000, 50, cached=900, cache_write=60, reasoning=10, cost_dollars=0.0012345),
    reasoning_details=(
        {"type": "reasoning.text", "index": 0, "text": "Let me "},
        {"type": "reasoning.text", "index": 0, "text": "think.", "signature": "abc"},
        {"type": "reasoning.encrypted", "index": 1, "data": "xyz"},
    ),
)


async def complete(client: ModelClient, request: ModelRequest) -> ModelReply:
    return await client.complete(request)


async def test_a_full_reply_is_read_whole(connect: Connect, request_: ModelRequest) -> None:
    client, model = connect(FULL)
    heard: list[tuple[str, str]] = []
    reply = await client.complete(request_, lambda kind, piece: heard.append((kind, piece)))
    assert (reply.model, reply.provider, reply.finish_reason) == (
        "test/model",
        "scripted",
        "tool_calls",
    )
    assert reply.text == FULL.text == "".join(piece for kind, piece in heard if kind == "text")
    assert reply.reasoning == "".join(piece for kind, piece in heard if kind == "reasoning")
    assert reply.tool_calls == (
        WireCall("call_0_0", "read_file", '{"path":"Ünï"}'),
        WireCall("call_0_1", "run_command", '{"command":"ls\\n"}'),
    )
    assert reply.usage == Usage(
        input_tokens=1000,
        cached_tokens=900,
        cache_write_tokens=60,
        output_tokens=50,
        reasoning_tokens=10,
    )
    assert reply.cost_microdollars == 1235
    assert reply.provider_message == snapshot(
        {
            "message": {
                "reasoning_details": [
                    {
                        "type": "reasoning.text",
                        "index": 0,
                        "signature": "abc",
                        "text": "Let me think.",
                    },
                    {"type": "reasoning.encrypted", "index": 1, "data": "xyz"},
                ]
            }
        }
    )
    assert reply.first_token_ms is not None
    assert 0 <= reply.first_token_ms <= reply.duration_ms
    assert model.violations == []


STYLES = {
    "a byte at a time": Style(piece_bytes=1, chunk_chars=3),
    "pieces of seven bytes": Style(piece_bytes=7),
    "crlf": Style(line_end="\r\n"),
    "crlf in small pieces": Style(line_end="\r\n", piece_bytes=3),
    "cr": Style(line_end="\r"),
    "cr a byte at a time": Style(line_end="\r", piece_bytes=1),
    "gzip": Style(is_gzip=True),
    "gzip in small pieces": Style(is_gzip=True, piece_bytes=5),
    "several lines of data": Style(is_multi_line=True, piece_bytes=11),
    "comments in between": Style(comments=3),
    "no end mark": Style(has_end=False),
    "not streamed": Style(is_streamed=False),
    "calls whole": Style(calls="whole"),
    "calls without index": Style(calls="no_index"),
    "calls all at index 0": Style(calls="same_index"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_the_same_reply_is_read_from_every_shape(
    connect: Connect, request_: ModelRequest, style: Style
) -> None:
    turn = Turn(FULL.text, FULL.reasoning, FULL.calls, tokens=FULL.tokens)
    expected = await complete(connect(turn)[0], request_)
    turn = Turn(FULL.text, FULL.reasoning, FULL.calls, tokens=FULL.tokens, style=style)
    reply = await complete(connect(turn)[0], request_)
    assert timeless(reply) == timeless(expected)


def timeless(reply: ModelReply) -> dict[str, Any]:
    names = ModelReply.__slots__
    return {name: getattr(reply, name) for name in names if not name.endswith("_ms")}


async def test_calls_without_ids_are_told_apart_by_their_index(
    connect: Connect, request_: ModelRequest
) -> None:
    client, _ = connect(Turn(calls=FULL.calls, style=Style(calls="no_id")))
    reply = await client.complete(request_)
    assert [(c.id, c.name) for c in reply.tool_calls] == [("", "read_file"), ("", "run_command")]


async def test_a_reply_without_usage_has_no_cost(connect: Connect, request_: ModelRequest) -> None:
    reply = await complete(connect(Turn("Hi.", style=Style(has_usage=False)))[0], request_)
    assert (reply.usage, reply.cost_microdollars) == (Usage(), None)


async def test_what_the_model_gets_wrong_is_handed_on(
    connect: Connect, request_: ModelRequest
) -> None:
    calls = (
        Call("no_such_tool", "not json", id="same"),
        Call("n" * 30_000, "[" * 10_000, id="same"),
        Call("", "", id=""),
        Call("write_file", {"content": "x" * 5_000_000}),
    )
    client, _ = connect(Turn(calls=calls, style=Style(chunk_chars=100_000)))
    reply = await client.complete(request_)
    assert [(c.id, len(c.name), len(c.arguments), c.problem) for c in reply.tool_calls] == [
        ("same", 12, 8, None),
        ("same", 256, 10_000, None),
        ("", 0, 0, None),
        ("call_0_3", 10, 5_000_014, None),
    ]


async def test_an_empty_reply_is_a_reply(connect: Connect, request_: ModelRequest) -> None:
    reply = await complete(connect(Turn(""))[0], request_)
    assert (reply.text, reply.tool_calls, reply.finish_reason) == ("", (), "stop")


async def test_a_reply_over_the_bounds_is_cut_and_says_so(
    connect: Connect, request_: ModelRequest
) -> None:
    style = Style(chunk_chars=200_000)
    text = await complete(connect(Turn("x" * 1_200_000, style=style))[0], request_)
    assert (len(text.text), text.finish_reason) == (1_000_000, "length")
    big = Call("write_file", {"content": "x" * 9_000_000})
    arguments = await complete(connect(Turn(calls=(big, big), style=style))[0], request_)
    assert [len(c.arguments) for c in arguments.tool_calls] == [8_000_000]
    assert arguments.tool_calls[0].problem is not None
    many = Turn(calls=(Call("read_file"),) * 200)
    assert len((await complete(connect(many)[0], request_)).tool_calls) == 128


async def test_arguments_cut_by_the_length_limit_are_marked(
    connect: Connect, request_: ModelRequest
) -> None:
    calls = (Call("read_file", '{"path":"a"}'), Call("write_file", '{"content":"hal'))
    reply = await complete(connect(Turn(calls=calls, finish_reason="length"))[0], request_)
    assert [call.problem is None for call in reply.tool_calls] == [True, False]


async def test_calls_one_after_the_other_share_a_connection(
    connect: Connect, request_: ModelRequest
) -> None:
    client, model = connect(Turn("Hi."))
    for _ in range(5):
        await client.complete(request_)
    assert len({seen.peer for seen in model.seen}) == 1


async def test_the_key_goes_to_the_endpoint(connect: Connect, request_: ModelRequest) -> None:
    client, model = connect(Turn("Hi."))
    await client.complete(request_)
    assert model.seen[0].headers["authorization"] == f"Bearer {KEY}"


async def test_the_model_asked_for_reaches_the_script(
    connect: Connect, request_: ModelRequest
) -> None:
    def script(asked: Asked) -> Turn:
        return Turn(f"{asked.model}, {asked.body['max_tokens']}, {asked.messages[-1]['content']}")

    reply = await complete(connect(script)[0], request_)
    assert reply.text == "test/model, 100, Do it."
