"""What a client makes of everything that providers do wrong: bounded, named, never a crash."""

import asyncio
import socket
from datetime import timedelta
from email.utils import format_datetime

import anyio
import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import Invalid
from open_agent.core.run import Usage
from open_agent.models.client import ModelClient
from open_agent.models.reply import ModelError, ModelRequest
from open_agent.scripted import wire
from open_agent.scripted.faults import (
    Cut,
    Empty,
    ErrorBody,
    ErrorChunk,
    Fault,
    KeepAlives,
    Malformed,
    Refusal,
    Repeated,
    Silence,
    Trickle,
    WebPage,
)
from open_agent.scripted.script import Asked, Call, Style, Tokens, Turn, say
from tests.interaction.models.conftest import KEY, Connect, quick

pytestmark = pytest.mark.slow

SHORT = Style(chunk_chars=4)


async def failure(client: ModelClient, request: ModelRequest) -> ModelError:
    with anyio.fail_after(4), pytest.raises(ModelError) as caught:
        await client.complete(request)
    assert KEY not in str(caught.value)
    assert caught.value.duration_ms >= 0
    return caught.value


REFUSALS: dict[str, tuple[Fault, str, bool]] = {
    "bad key": (Refusal(401, "No auth"), "provider.unauthorized", False),
    "no credit": (Refusal(402, "Insufficient credits"), "provider.payment_required", False),
    "moderated": (Refusal(403, "flagged"), "provider.refused", False),
    "no model": (Refusal(404, "No endpoints found for x/y"), "provider.model_not_found", False),
    "bad model": (Refusal(400, "x is not a valid model ID"), "provider.model_not_found", False),
    "request timeout": (Refusal(408), "provider.overloaded", True),
    "body too large": (Refusal(413), "provider.context_too_long", False),
    "context": (
        Refusal(400, "This model's maximum context length is 8192 tokens."),
        "provider.context_too_long",
        False,
    ),
    "bad request": (Refusal(400, "temperature: wrong"), "provider.refused", False),
    "unprocessable": (Refusal(422, "nope"), "provider.refused", False),
    "rate": (Refusal(429), "provider.rate_limited", True),
    "quota": (Refusal(429, "x", code="insufficient_quota"), "provider.payment_required", False),
    "server": (Refusal(500), "provider.error", True),
    "bad gateway": (Refusal(502), "provider.error", True),
    "unavailable": (Refusal(503), "provider.overloaded", True),
    "overloaded": (Refusal(529), "provider.overloaded", True),
    "teapot": (Refusal(418), "provider.error", False),
    "gateway page": (WebPage(502), "provider.error", True),
    "wrong path": (WebPage(404), "provider.error", False),
    "error in a body": (ErrorBody("upstream", 502), "provider.error", True),
    "rate limit in a body": (ErrorBody("slow down", 429), "provider.rate_limited", True),
    "page": (WebPage(), "provider.not_a_stream", True),
    "page that says it is a stream": (
        WebPage(content_type="text/event-stream"),
        "provider.not_a_stream",
        True,
    ),
    "nothing": (Empty(), "provider.broken_stream", True),
    "error at once": (ErrorChunk(0, "overloaded", 503), "provider.overloaded", True),
    "error later": (ErrorChunk(3, "context length exceeded", 400), "provider.context_too_long", False),
    "error without a status": (ErrorChunk(3, "odd", "strange"), "provider.error", True),
    "malformed": (Malformed(3), "provider.broken_stream", True),
    "nested too deep": (Malformed(3, '{"a":' * 5_000), "provider.broken_stream", True),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "code", "is_retryable"), REFUSALS.values(), ids=REFUSALS)
async def test_every_refusal_has_its_code(
    connect: Connect, request_: ModelRequest, fault: Fault, code: str, is_retryable: bool
) -> None:
    client, _ = connect(Turn("some text", fault=fault, style=SHORT))
    error = await failure(client, request_)
    assert (error.code, error.is_retryable, error.was_sent) == (code, is_retryable, True)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("7", 7, 7), ("0", 0, 0), ("1.5", 1.5, 1.5), ("-3", 0, 0), ("1e300", 86_400, 86_400)],
)
async def test_retry_after_is_read_in_seconds(
    connect: Connect, request_: ModelRequest, value: str, low: float, high: float
) -> None:
    client, _ = connect(Turn(fault=Refusal(429, retry_after=value)))
    error = await failure(client, request_)
    assert error.retry_after is not None
    assert low <= error.retry_after <= high


async def test_retry_after_is_read_as_a_date(connect: Connect, request_: ModelRequest) -> None:
    then = format_datetime(SystemClock().now() + timedelta(seconds=90), usegmt=True)
    client, _ = connect(Turn(fault=Refusal(503, retry_after=then)))
    error = await failure(client, request_)
    assert error.retry_after is not None
    assert 60 < error.retry_after <= 90


@pytest.mark.parametrize("value", ["soon", "nan", "Mon, 99 Foo 2026"])
async def test_a_senseless_retry_after_is_ignored(
    connect: Connect, request_: ModelRequest, value: str
) -> None:
    client, _ = connect(Turn(fault=Refusal(429, retry_after=value)))
    assert (await failure(client, request_)).retry_after is None


LATE: dict[str, tuple[Fault, str, str]] = {
    "not even a status": (Silence(), "provider.no_first_token", ""),
    "only a status": (Silence(0), "provider.no_first_token", ""),
    "only a role": (Silence(1), "provider.no_first_token", ""),
    "keep-alives at the start": (KeepAlives(0), "provider.no_first_token", ""),
    "empty chunks at the start": (
        KeepAlives(0, data='{"choices":[{"delta":{"content":""}}]}'),
        "provider.no_first_token",
        "",
    ),
    "byte by byte": (Trickle(0.02), "provider.no_first_token", ""),
    "silence": (Silence(3), "provider.silent", "some tex"),
    "keep-alives": (KeepAlives(3), "provider.silent", "some tex"),
    "empty chunks": (
        KeepAlives(3, data='{"choices":[{"delta":{}}]}'),
        "provider.silent",
        "some tex",
    ),
    "junk": (KeepAlives(3, data="ping"), "provider.silent", "some tex"),
}


@pytest.mark.parametrize(("fault", "code", "partial"), LATE.values(), ids=LATE)
async def test_silence_ends_whatever_hides_it(
    connect: Connect, request_: ModelRequest, fault: Fault, code: str, partial: str
) -> None:
    client, model = connect(
        Turn("some text", fault=fault, style=SHORT), quick(first_token=0.5, silence=0.3)
    )
    error = await failure(client, request_)
    assert (error.code, error.is_retryable, error.partial_text) == (code, True, partial)
    assert await anyio.to_thread.run_sync(model.seen[0].has_ended.wait, 3)
    assert model.seen[0].was_left


async def test_a_reply_that_never_ends_is_given_up(
    connect: Connect, request_: ModelRequest
) -> None:
    style = Style(chunk_chars=1, delay=0.02)
    client, _ = connect(Turn("x" * 10_000, style=style), quick(total=0.5))
    error = await failure(client, request_)
    assert error.code == "provider.too_slow"
    assert error.partial_text.startswith("x")


async def test_a_reply_may_take_longer_than_any_of_its_silences(
    connect: Connect, request_: ModelRequest
) -> None:
    style = Style(chunk_chars=1, delay=0.05)
    client, _ = connect(Turn("x" * 30, style=style), quick(silence=1))
    reply = await client.complete(request_)
    assert reply.text == "x" * 30
    assert reply.duration_ms > 1_400


async def test_a_finished_reply_is_not_lost_when_its_end_never_comes(
    connect: Connect, request_: ModelRequest
) -> None:
    fault = Silence(3)  # the role, the text, the finish; then nothing
    client, _ = connect(Turn("some text", fault=fault), quick(ending=0.1))
    with anyio.fail_after(4):
        reply = await client.complete(request_)
    assert (reply.text, reply.finish_reason, reply.usage) == ("some text", "stop", Usage())


async def test_a_stall_that_passes_is_waited_for(connect: Connect, request_: ModelRequest) -> None:
    for after in (0, 3):
        fault = KeepAlives(after, seconds=0.1)
        client, _ = connect(Turn("some text", fault=fault, style=SHORT))
        assert (await client.complete(request_)).text == "some text"


CALLS = (Call("read_file", {"path": "a"}), Call("run_command", {"command": "ls"}))
WORK = Turn("some text", "hm", CALLS, tokens=Tokens(cost_dollars=0.5), style=SHORT)
CHUNKS = len(wire.chunks(WORK, Asked({"messages": [], "model": "m"}, 1)))


@pytest.mark.parametrize("is_clean", [False, True], ids=["cut", "ended"])
@pytest.mark.parametrize("part", [0, 30], ids=["between chunks", "in a chunk"])
async def test_a_stream_cut_anywhere_is_a_failure_until_it_is_finished(
    connect: Connect, request_: ModelRequest, part: int, is_clean: bool
) -> None:
    whole = await connect(WORK)[0].complete(request_)
    for after in range(CHUNKS + 1):
        fault = Cut(after, part, is_clean)
        client, _ = connect(Turn(WORK.text, WORK.reasoning, CALLS, fault=fault, style=SHORT))
        if after < CHUNKS - 1:  # the last two chunks are the finish and the usage
            error = await failure(client, request_)
            assert (error.code, error.is_retryable) == ("provider.broken_stream", True)
            assert whole.text.startswith(error.partial_text)
        else:
            reply = await client.complete(request_)
            assert (reply.text, reply.tool_calls) == (whole.text, whole.tool_calls)


async def test_a_chunk_that_comes_twice_does_no_harm(
    connect: Connect, request_: ModelRequest
) -> None:
    for chunk in range(CHUNKS):
        turn = Turn(WORK.text, WORK.reasoning, CALLS, fault=Repeated(chunk), style=SHORT)
        reply = await connect(turn)[0].complete(request_)
        assert [call.name for call in reply.tool_calls] == ["read_file", "run_command"]


async def test_a_whole_call_that_comes_twice_is_one_call(
    connect: Connect, request_: ModelRequest
) -> None:
    turn = Turn(calls=CALLS[:1], fault=Repeated(1), style=Style(calls="whole"))
    reply = await connect(turn)[0].complete(request_)
    assert [call.arguments for call in reply.tool_calls] == ['{"path":"a"}']


async def test_what_was_reported_before_a_failure_is_accounted(
    connect: Connect, request_: ModelRequest
) -> None:
    usage = '{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"cost":0.25}}'
    twice = say(Turn("some text", fault=Malformed(3, usage), style=SHORT))
    client, _ = connect(twice)
    reply = await client.complete(request_)
    assert reply.cost_microdollars is None  # the last report counts, and the script's has no cost
    fault = Malformed(3, usage + '\n\ndata: {"error":{"message":"x","code":500}}')
    error = await failure(connect(Turn("some text", fault=fault, style=SHORT))[0], request_)
    assert (error.usage, error.cost_microdollars) == (
        Usage(input_tokens=7, output_tokens=3),
        250_000,
    )


async def test_a_refusal_costs_nothing_and_a_cut_nobody_knows(
    connect: Connect, request_: ModelRequest
) -> None:
    refused = await failure(connect(Turn(fault=Refusal(500)))[0], request_)
    cut = await failure(connect(Turn("some text", fault=Cut(3), style=SHORT))[0], request_)
    assert (refused.cost_microdollars, cut.cost_microdollars) == (0, None)


async def test_half_a_character_does_not_break_a_reply(
    connect: Connect, request_: ModelRequest
) -> None:
    half = r'{"choices":[{"delta":{"content":"smile \ud83d and "}}]}'
    client, _ = connect(Turn("some text", fault=Malformed(1, half), style=Style()))
    assert (await client.complete(request_)).text == "smile ? and some text"


async def test_faults_of_the_first_attempts_pass(connect: Connect, request_: ModelRequest) -> None:
    client, model = connect(Turn("Here.", fault=Refusal(503), fault_attempts=2))
    for _ in range(2):
        await failure(client, request_)
    assert (await client.complete(request_)).text == "Here."
    assert [seen.asked.attempt for seen in model.seen if seen.asked] == [1, 2, 3]


async def test_an_endpoint_that_is_not_there_was_not_asked(request_: ModelRequest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = ModelClient(f"http://127.0.0.1:{port}/v1", KEY, SystemClock())
    error = await failure(client, request_)
    await client.close()
    assert (error.code, error.is_retryable, error.was_sent) == (
        "provider.unreachable",
        True,
        False,
    )
    assert error.cost_microdollars == 0


async def test_an_endpoint_that_accepts_and_says_nothing_is_given_up(
    request_: ModelRequest,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        client = ModelClient(
            f"http://127.0.0.1:{port}/v1", KEY, SystemClock(), quick(first_token=0.2)
        )
        assert (await failure(client, request_)).code == "provider.no_first_token"
        await client.close()


async def test_a_connection_that_closes_without_a_word_is_a_broken_stream(
    request_: ModelRequest,
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = ModelClient(f"http://127.0.0.1:{port}/v1", KEY, SystemClock())
    error = await failure(client, request_)
    await client.close()
    server.close()
    await server.wait_closed()
    assert (error.code, error.was_sent) == ("provider.broken_stream", True)


async def test_cancelling_closes_the_connection_at_once(
    connect: Connect, request_: ModelRequest
) -> None:
    client, model = connect(Turn("some text", fault=Silence(3), style=SHORT))
    begun = anyio.Event()

    def on_delta(kind: str, piece: str) -> None:
        begun.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.complete, request_, on_delta)
        with anyio.fail_after(4):
            await begun.wait()
        tasks.cancel_scope.cancel()
    assert await anyio.to_thread.run_sync(model.seen[0].has_ended.wait, 3)
    assert model.seen[0].was_left


async def test_a_provider_that_repeats_the_key_does_not_get_it_into_the_error(
    connect: Connect, request_: ModelRequest
) -> None:
    error = await failure(connect(Turn(fault=Refusal(401, f"bad key {KEY}")))[0], request_)
    assert "[API key]" in error.message


async def test_a_redirect_is_not_followed_with_a_key_in_hand(
    connect: Connect, request_: ModelRequest
) -> None:
    client, model = connect(Turn(fault=Refusal(307)))
    error = await failure(client, request_)
    assert (error.code, error.is_retryable, len(model.seen)) == ("provider.error", False, 1)
    assert error.cost_microdollars == 0


@pytest.mark.parametrize("base_url", ["", "localhost:3000", "ftp://host/v1", "http://"])
def test_an_address_that_is_none_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(Invalid) as caught:
        ModelClient(base_url, KEY, SystemClock())
    assert caught.value.code == "endpoint.invalid"
