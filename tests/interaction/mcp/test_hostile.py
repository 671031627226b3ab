"""Whatever a server does wrong costs the call it is about, and leaves no process."""

import resource
from pathlib import Path
from typing import Any

import anyio
import pytest

from open_agent.core.ids import UserId
from tests.interaction.mcp.rig import ANNA, program, rig
from tests.interaction.requirements import requirement
from tests.running import gone, running

pytestmark = [pytest.mark.timeout(60)]

FATAL = {
    "dies": "exit code 7",
    "garbage": "what is not MCP",
    "long_garbage": "8,388,608 bytes",
    "no_line_end": "8,388,608 bytes",
    "flood": "floods",
    "flood_of_answers": "floods",
    "pings": "",
}
"""After which the session cannot go on."""
HARMLESS = {
    "long_line": "8,388,608 bytes",
    "wrong_id": "did not answer within 2 seconds",
    "wrong_shape": "not a right one",
    "refuses": "not today",
    "surrogate": "cannot be read",
    "no_json": "cannot be read",
}
"""After which it does."""
UNSTARTED = {
    "exits": "exit code 4",
    "old": "1999-01-01",
}


def fast(kinds: dict[str, str], *names: str) -> list[Any]:
    """All kinds, of which `make check` does with some."""
    return [kind if kind in names else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]


def memory() -> int:
    """The most that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@requirement("mcp:client:hostile")
@pytest.mark.parametrize("kind", fast(FATAL, "dies", "flood"))
async def test_a_server_that_goes_too_far_is_ended_and_begun_again(
    tmp_path: Path, kind: str
) -> None:
    async with rig(tmp_path, call=20) as made:
        server = program("hostile_server", kind, str(tmp_path))
        assert (await made.call(server, "good")).text == "good"
        before = memory()
        with anyio.fail_after(15):
            assert FATAL[kind] in await made.refused(server)
        assert memory() - before < 100
        assert (await made.call(server, "good")).text == "good"
        assert len(running(f"hostile_server.py {kind} {tmp_path}")) == 1
    await gone(f"hostile_server.py {kind} {tmp_path}", seconds=5)
    await gone("sleep 86321", seconds=5)


@requirement("mcp:client:hostile")
@pytest.mark.parametrize("kind", fast(HARMLESS, "long_line"))
async def test_a_wrong_answer_is_the_calls_failure_and_nothing_else(
    tmp_path: Path, kind: str
) -> None:
    async with rig(tmp_path, call=2) as made:
        server = program("hostile_server", kind)
        assert HARMLESS[kind] in await made.refused(server)
        assert (await made.call(server, "good")).text == "good"
        assert len(made.keeper.listings) == 1
        assert made.keeper.counts == [True, False]


@requirement("mcp:client:hostile")
async def test_some_noise_and_many_complaints_are_borne(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        noisy, complaining = (
            program("hostile_server", "some_garbage"),
            program("hostile_server", "stderr"),
        )
        assert (await made.call(noisy, "bad")).text == "after the noise"
        assert (await made.call(complaining, "bad")).text == "complained"
        stderr = made.pool.state(complaining.id, ANNA).stderr
        assert stderr.endswith("complaint \n")
        assert len(stderr) <= 16 * 1024


@requirement("mcp:client:hostile")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no_result", "deep"])
async def test_what_is_no_message_at_all_is_waited_out(tmp_path: Path, kind: str) -> None:
    async with rig(tmp_path, call=1) as made:
        server = program("hostile_server", kind)
        assert await made.refused(server)
        assert (await made.call(server, "good")).text == "good"


@requirement("mcp:client:hostile", "mcp:client:health")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hangs", "deaf"])
async def test_a_server_that_hangs_is_noticed_by_its_silence(tmp_path: Path, kind: str) -> None:
    async with rig(tmp_path, call=0.5, ping=0.5) as made:
        server = program("hostile_server", kind)
        assert "within 0.5 seconds" in await made.refused(server)
        with anyio.fail_after(20):
            while made.pool.state(server.id, ANNA).is_open:
                await anyio.sleep(0.02)
        assert (await made.call(server, "good")).text == "good"


@requirement("mcp:client:hostile")
@pytest.mark.parametrize("kind", UNSTARTED)
async def test_a_server_that_cannot_be_used_says_why(tmp_path: Path, kind: str) -> None:
    async with rig(tmp_path) as made:
        server = program("hostile_server", kind)
        assert UNSTARTED[kind] in await made.refused(server)
        state = made.pool.state(server.id, ANNA)
        assert UNSTARTED[kind] in (state.error or "")
        assert kind != "exits" or state.stderr == "I need a license\n"
    await gone(f"hostile_server.py {kind}", seconds=5)


@pytest.mark.slow
@requirement("mcp:client:restart")
async def test_a_server_that_keeps_failing_is_left_alone_for_longer_and_longer(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as made:
        server = program("hostile_server", "exits")
        assert "tried again" not in await made.refused(server)
        assert "tried again" not in await made.refused(server)
        assert "exit code 4 It is tried again in" in (await made.refused(server)).replace(".", "")
        with anyio.fail_after(10):
            while "tried again" in await made.refused(server):
                await anyio.sleep(0.1)


@requirement("mcp:client:hostile")
@pytest.mark.parametrize(("kind", "most"), [("endless", 50), ("same_page", 4)])
async def test_a_list_without_an_end_is_cut(tmp_path: Path, kind: str, most: int) -> None:
    async with rig(tmp_path) as made:
        await made.call(program("hostile_server", kind), "good")
        assert 0 < len(made.keeper.names) <= most


@requirement("mcp:client:paging")
async def test_all_pages_of_a_list_are_read(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        await made.call(program("hostile_server", "paged"), "good")
        assert made.keeper.names == ["good", "bad"]


@requirement("mcp:client:slow-start")
async def test_a_slow_start_is_waited_for_once_by_all(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = program("hostile_server", "slow_start")
        texts: list[str] = []

        async def call() -> None:
            texts.append((await made.call(server, "good")).text)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(call)
        assert texts == ["good"] * 5
        assert len(made.keeper.listings) == 1
        assert made.pool.state(server.id, UserId("nobody")).is_open is False


@requirement("mcp:client:ended")
async def test_whoever_stops_waiting_leaves_no_process(tmp_path: Path) -> None:
    async with rig(tmp_path) as made:
        server = program("hostile_server", "never_starts", str(tmp_path))
        with anyio.move_on_after(1):
            await made.call(server, "good")
        assert running("never_starts")
        await made.pool.forget(server.id)
        await gone("never_starts", seconds=5)
