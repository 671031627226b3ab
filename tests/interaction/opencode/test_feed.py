"""The stream of what happens in OpenCode: shared out, and never quietly short of anything."""

from collections.abc import AsyncIterator

import anyio
import pytest

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeRefused, OpenCodeUnreachable
from open_agent.backends.opencode.protocol.feed import Feed, FeedLimits, Gap, Listener
from open_agent.backends.opencode.protocol.wire import FeedEvent
from tests.interaction.opencode.fake import Fake, Serving


def feed_of(client: OpenCodeClient, limits: FeedLimits | None = None) -> Feed:
    async def connect() -> OpenCodeClient:
        return client

    return Feed(connect, limits)


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = await Fake().serve()
    yield serving
    await serving.close()


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[OpenCodeClient]:
    client = OpenCodeClient(serving.url)
    yield client
    await client.close()


@pytest.fixture
async def feed(client: OpenCodeClient) -> AsyncIterator[Feed]:
    feed = feed_of(client)
    yield feed
    await feed.close()


async def take(listener: Listener, count: int) -> list[str]:
    """So many items, each as a word."""
    with anyio.fail_after(5):
        return [word(await anext(listener)) for _ in range(count)]


def word(item: FeedEvent | Gap) -> str:
    if isinstance(item, Gap):
        return "gap"
    return str(item.properties.get("delta", f"{item.type}@{item.session_id}"))


async def test_each_listener_hears_its_session_and_all_below_it(
    feed: Feed, serving: Serving
) -> None:
    fake = serving.fake
    async with feed.listen("ses_a") as first, feed.listen("ses_b") as second:
        await fake.say("session.status", sessionID="ses_a", status={"type": "busy"})
        await fake.say("session.status", sessionID="ses_strange", status={"type": "busy"})
        await fake.say("session.created", info={"id": "ses_a1", "parentID": "ses_a"})
        await fake.say("session.created", info={"id": "ses_a2", "parentID": "ses_a1"})
        await fake.say("message.updated", info={"id": "msg_1", "sessionID": "ses_a2"})
        await fake.say("message.part.updated", part={"id": "prt_1", "sessionID": "ses_b"})
        await fake.say("permission.asked", id="per_1", sessionID="ses_a2", permission="bash")
        assert await take(first, 5) == [
            "session.status@ses_a",
            "session.created@ses_a1",
            "session.created@ses_a2",
            "message.updated@ses_a2",
            "permission.asked@ses_a2",
        ]
        assert await take(second, 1) == ["message.part.updated@ses_b"]
        assert first.session_ids == {"ses_a", "ses_a1", "ses_a2"}
        assert fake.opened == 1


async def test_sessions_below_that_were_there_before_are_found(
    feed: Feed, serving: Serving
) -> None:
    """A run that is taken up again after a restart may have subagents at work."""
    serving.fake.children = {"ses_a": ["ses_a1"], "ses_a1": ["ses_a2"]}
    async with feed.listen("ses_a") as listener:
        await serving.fake.say("session.idle", sessionID="ses_a2")
        assert await take(listener, 1) == ["session.idle@ses_a2"]


async def test_doubles_and_heartbeats_are_passed_over_and_lines_come_as_the_standard_has_it(
    feed: Feed, serving: Serving
) -> None:
    """W8: CRLF, `data:` without a space, several lines, a character cut in two."""
    fake = serving.fake
    async with feed.listen("ses_a") as listener:
        await fake.say("server.heartbeat")
        await fake.say("sync", sessionID="ses_a")
        event = '{"payload":{"type":"message.part.delta",\r\ndata:"properties":{"sessionID":"ses_a","delta":"Grüße"}}}'
        data = f": comment\r\nevent: x\r\ndata:{event}\r\n\r\n".encode()
        half = data.index("ü".encode()) + 1
        await fake.write(data[:half])
        await fake.write(data[half:])
        assert await take(listener, 1) == ["Grüße"]


async def test_a_lost_stream_comes_back_and_whoever_listens_is_told_of_the_gap(
    feed: Feed, serving: Serving
) -> None:
    fake = serving.fake
    async with feed.listen("ses_a") as listener:
        await fake.say("session.idle", sessionID="ses_a")
        assert await take(listener, 1) == ["session.idle@ses_a"]
        fake.children = {"ses_a": ["ses_new"]}
        fake.cut()
        with anyio.fail_after(5):
            await fake.stream(2)
        await fake.say("session.idle", sessionID="ses_new")
        assert await take(listener, 2) == ["gap", "session.idle@ses_new"]


async def test_a_stream_without_a_byte_is_dead(serving: Serving, client: OpenCodeClient) -> None:
    feed = feed_of(client, FeedLimits(silence=0.05))
    async with feed.listen("ses_a") as listener:
        assert await take(listener, 1) == ["gap"]
    await feed.close()
    assert serving.fake.opened >= 2


async def test_a_stream_that_makes_no_sense_is_a_lost_one(feed: Feed, serving: Serving) -> None:
    async with feed.listen("ses_a") as listener:
        await serving.fake.write(b"data: {not json\n\n")
        assert await take(listener, 1) == ["gap"]


async def test_a_stream_that_stays_away_ends_listening(
    serving: Serving, client: OpenCodeClient
) -> None:
    feed = feed_of(client, FeedLimits(give_up=0.2))
    async with feed.listen("ses_a") as listener:
        await serving.close()
        with anyio.fail_after(5), pytest.raises(OpenCodeUnreachable):
            await anext(listener)
    await feed.close()


async def test_where_there_is_no_stream_listening_does_not_begin(serving: Serving) -> None:
    client = OpenCodeClient("http://127.0.0.1:1")

    async def refuse() -> OpenCodeClient:
        raise OpenCodeRefused(401, "Unauthorized", "Another password.")

    with anyio.fail_after(5):
        with pytest.raises(OpenCodeUnreachable):
            async with feed_of(client).listen("ses_a"):
                pytest.fail("There is nothing to listen to.")
        with pytest.raises(OpenCodeRefused) as refused:
            async with Feed(refuse).listen("ses_a"):
                pytest.fail("There is nothing to listen to.")
    assert refused.value.code == "opencode.password"
    await client.close()


async def test_the_stream_is_open_while_somebody_listens(feed: Feed, serving: Serving) -> None:
    fake = serving.fake
    async with feed.listen("ses_a"), feed.listen("ses_a"):
        await fake.say("session.idle", sessionID="ses_a")
    with anyio.fail_after(5):
        while fake.streams and not fake.streams[0].transport.is_closing():
            await anyio.sleep(0.01)
            fake.streams[0].write(b": is somebody there?\n\n")
    async with feed.listen("ses_a"):
        assert fake.opened == 2


async def test_text_is_joined_and_dropped_for_who_does_not_keep_up_and_nothing_else(
    client: OpenCodeClient, serving: Serving
) -> None:
    feed = feed_of(client, FeedLimits(characters=3000))
    fake = serving.fake

    async def stream(part: str, length: int) -> None:
        for number in range(length):
            await fake.say(
                "message.part.delta",
                sessionID="ses_a",
                partID=part,
                field="text",
                delta=str(number % 10),
            )

    async with feed.listen("ses_a") as slow, feed.listen("ses_end") as other:
        await stream("prt_1", 1000)
        await fake.say("session.idle", sessionID="ses_a")
        await stream("prt_2", 5000)
        await fake.say("permission.asked", sessionID="ses_a", id="per_1", permission="bash")
        await fake.say("session.idle", sessionID="ses_end")
        assert await take(other, 1) == ["session.idle@ses_end"]  # all of it has been read
        first, idle, second, asked = await take(slow, 4)
        assert first == "0123456789" * 100
        assert (idle, asked) == ("session.idle@ses_a", "permission.asked@ses_a")
        assert second == "0123456789" * 200
        await stream("prt_3", 1)
        assert await take(slow, 1) == ["0"]


async def test_where_even_the_rest_is_too_much_all_of_it_is_a_gap(
    client: OpenCodeClient, serving: Serving
) -> None:
    feed = feed_of(client, FeedLimits(events=10))
    fake = serving.fake
    async with feed.listen("ses_a") as slow, feed.listen("ses_end") as other:
        for _ in range(14):
            await fake.say("message.updated", info={"id": "msg_1", "sessionID": "ses_a"})
        await fake.say("session.idle", sessionID="ses_end")
        assert await take(other, 1) == ["session.idle@ses_end"]
        # The eleventh made a gap of all so far, itself included.
        assert await take(slow, 4) == ["gap", *["message.updated@ses_a"] * 3]
