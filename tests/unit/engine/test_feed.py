"""Who is woken, when, and with what."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from open_agent.core.ids import CallId, MissionId, RunId, UserId
from open_agent.engine.feed import TAIL_RECORDS, Feed, Watch
from open_agent.events.delta import Delta, DeltaSource
from open_agent.events.log import EncodedRecord

OWNER = UserId("default")
MISSION = MissionId("m")
SOURCE = DeltaSource(MISSION, RunId("r"), step=1)


def records(*seqs: int, mission: MissionId = MISSION) -> list[EncodedRecord]:
    return [EncodedRecord(seq, seq, mission, "x", b"{}") for seq in seqs]


def seqs(found: Sequence[EncodedRecord] | None) -> list[int] | None:
    return None if found is None else [record.seq for record in found]


def texts(deltas: list[Delta]) -> list[tuple[str, int, str]]:
    return [(delta.kind, delta.offset, delta.content) for delta in deltas]


async def test_a_watcher_is_woken_by_its_own_mission_alone() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch, feed.watch(MissionId("other")) as other:
        feed.committed(OWNER, records(1))
        assert await watch.changed(5)
        assert not await other.changed(0.01)


async def test_news_that_came_before_the_wait_is_not_lost_and_told_once() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        feed.committed(OWNER, records(1, 2))
        feed.committed(OWNER, records(3))
        assert await watch.changed(5)
        assert not await watch.changed(0.01)
        feed.committed(OWNER, records(4))
        assert await watch.changed(5)


async def test_a_wait_ends_in_time_however_the_waits_before_it_ended() -> None:
    feed = Feed()
    loop = asyncio.get_running_loop()
    with feed.watch(MISSION) as watch, anyio.fail_after(5):
        for _ in range(3):
            loop.call_later(0.02, feed.committed, OWNER, records(1))
            assert await watch.changed(0.05)
        began = loop.time()
        assert not await watch.changed(0.05)
        assert 0.045 <= loop.time() - began < 2
        assert not await watch.changed(0.001)


async def test_a_shorter_wait_is_not_held_up_by_a_longer_one_before() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch, anyio.fail_after(5):
        feed.committed(OWNER, records(1))
        assert await watch.changed(1000)
        with anyio.move_on_after(0.01):
            await watch.changed(1000)
        assert not await watch.changed(0.01)


async def test_news_in_a_wait_that_is_given_up_is_there_for_the_next() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        with anyio.move_on_after(0.01):
            await watch.changed(1000)
        feed.committed(OWNER, records(1))
        assert await watch.changed(5)


async def test_closing_wakes_everybody_and_stays_closed() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        feed.close()
        assert await watch.changed(5)
        assert feed.is_closed


async def test_nothing_is_left_of_watchers_that_are_gone() -> None:
    feed = Feed()
    with feed.watch(MISSION), feed.watch(MISSION):
        assert feed.watchers == 2
    assert feed.watchers == 0
    live = feed.open(SOURCE)
    live.write("text", "x")
    live.close()
    feed.committed(OWNER, records(1))
    with feed.watch(MISSION) as watch:
        assert watch.tail(0) is None


async def tail_of(feed: Feed, watch: Watch, commits: list[int]) -> None:
    for seq in commits:
        feed.committed(OWNER, records(seq))


@given(first=st.integers(1, 5), count=st.integers(1, 30), after=st.integers(0, 40))
async def test_the_tail_is_the_exact_remainder_or_nothing(
    first: int, count: int, after: int
) -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        assert watch.tail(after) is None
        written = list(range(first, first + count))
        await tail_of(feed, watch, written)
        expected = [seq for seq in written if seq > after]
        assert seqs(watch.tail(after)) == (None if after + 1 < first else expected)


async def test_the_tail_keeps_the_newest_and_has_no_gap() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        await tail_of(feed, watch, list(range(1, TAIL_RECORDS + 11)))
        assert watch.tail(9) is None
        assert seqs(watch.tail(10)) == list(range(11, TAIL_RECORDS + 11))
        feed.committed(OWNER, records(1000))
        assert watch.tail(998) is None
        assert seqs(watch.tail(999)) == [1000]


async def test_commits_are_counted_for_those_who_look_at_the_log() -> None:
    feed = Feed()
    with feed.watch(MISSION) as watch:
        before = watch.commits
        live = feed.open(SOURCE)
        live.write("text", "x")
        assert await watch.changed(5)
        assert watch.commits == before
        feed.committed(OWNER, records(1))
        assert watch.commits != before
        live.close()


async def test_live_text_is_told_to_each_watcher_once_and_whole() -> None:
    feed = Feed()
    live = feed.open(SOURCE)
    with feed.watch(MISSION) as early:
        live.write("text", "Hel")
        live.write("reasoning", "Hm")
        assert await early.changed(5)
        assert texts(early.deltas()) == [("text", 0, "Hel"), ("reasoning", 0, "Hm")]
        live.write("text", "lo")
        with feed.watch(MISSION) as late:
            assert texts(late.deltas()) == [("text", 0, "Hello"), ("reasoning", 0, "Hm")]
        assert texts(early.deltas()) == [("text", 3, "lo")]
        assert early.deltas() == []
        live.close()
        assert early.deltas() == []
        again = feed.open(DeltaSource(MISSION, RunId("r"), step=2, call_id=CallId("c")))
        again.write("output", "new")
        assert texts(early.deltas()) == [("output", 0, "new")]
        again.close()


@pytest.mark.parametrize("sizes", [[500_000], [150_000, 150_000, 150_000], [1] * 100])
async def test_of_long_live_text_the_end_is_kept(sizes: list[int]) -> None:
    feed = Feed()
    live = feed.open(SOURCE)
    whole = ""
    for number, size in enumerate(sizes):
        piece = str(number % 10) * size
        whole += piece
        live.write("text", piece)
    with feed.watch(MISSION) as watch:
        ((_, offset, content),) = texts(watch.deltas())
        assert whole[offset:] == content
        assert len(content) >= min(len(whole), 200_000)
        assert len(content) <= 400_000
    live.close()
