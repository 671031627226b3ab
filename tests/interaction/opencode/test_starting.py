"""Starts of an OpenCode of our own that go wrong, with programs that are not the real one."""

import sys
from pathlib import Path

import anyio
import pytest

from open_agent.backends.opencode.protocol.errors import OpenCodeUnreachable, OpenCodeVersion
from open_agent.backends.opencode.servers.managed import Watchfulness
from open_agent.backends.opencode.servers.server_log import ServerLog
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId, new_uuid
from open_agent.scripted.server import ScriptedServer
from tests.interaction.opencode import fake
from tests.interaction.opencode.rig import Rig, managed
from tests.running import running

pytestmark = pytest.mark.timeout(30)


def program(folder: Path, *arguments: str) -> str:
    """The fake as a program that is started as the real one would be."""
    path = folder / "opencode-fake"
    quoted = " ".join(f"'{argument}'" for argument in arguments)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {fake.__file__} {quoted} "$@"\n')
    path.chmod(0o755)
    return str(path)


async def refusal(rig: Rig) -> OpenAgentError:
    with anyio.fail_after(25), pytest.raises(OpenAgentError) as refused:
        await rig.client()
    state = await rig.server.state(is_fresh=True)
    assert (state.phase, state.code) == ("failed", refused.value.code)
    assert rig.server.pid is None
    return refused.value


async def test_a_program_that_is_not_there_is_said_with_what_to_install(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    async with managed(tmp_path, scripted, program="opencode-that-is-not-there") as rig:
        state = await rig.server.state()  # Before anybody has needed it.
        assert (state.phase, state.code) == ("failed", "opencode.not_installed")
        error = await refusal(rig)
        assert error.code == "opencode.not_installed"
        assert "npm install -g opencode-ai@1" in error.message
        assert (await refusal(rig)).code == "opencode.not_installed"


async def test_a_program_that_ends_at_once_is_said_with_its_last_words(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    dying = program(tmp_path, "--dies", "there is no room left")
    async with managed(tmp_path, scripted, program=dying) as rig:
        error = await refusal(rig)
        assert isinstance(error, OpenCodeUnreachable)
        assert "there is no room left" in error.message
        assert "there is no room left" in rig.home.log.read_text()


async def test_a_start_that_hangs_is_given_up_in_its_time(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    hanging = program(tmp_path, "--silent")
    async with managed(tmp_path, scripted, program=hanging, start_seconds=1) as rig:
        with anyio.fail_after(10):
            error = await refusal(rig)
        assert "within 1 s" in error.message
    assert running(fake.__file__) == []


async def test_a_request_that_is_never_answered_is_asked_again(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    """The boot trap: the port opens before anybody answers there."""
    mute = program(tmp_path, "--mute", "2")
    async with managed(tmp_path, scripted, program=mute) as rig:
        with anyio.fail_after(20):
            assert await (await rig.client()).version() == "1.18.33"
        state = await rig.server.state()
        # It loads no plugin, and that is said: its commands would know the password.
        assert (state.phase, state.code) == ("ready", "opencode.plugin")


async def test_another_major_version_is_recognised_and_ended(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    newer = program(tmp_path, "--version", "2.0.1")
    async with managed(tmp_path, scripted, program=newer) as rig:
        error = await refusal(rig)
        assert isinstance(error, OpenCodeVersion)
        assert "2.0.1" in error.message
        assert running(fake.__file__) == []


async def test_several_who_need_it_at_once_start_one(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    async with managed(tmp_path, scripted, program=program(tmp_path)) as rig:
        clients: list[object] = []

        async def need() -> None:
            clients.append(await rig.client())

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(need)
        assert len(clients) == 5
        assert len(set(map(id, clients))) == 1
        assert len(running(fake.__file__)) == 1


async def test_one_that_ends_is_not_started_again_for_a_server_that_ends(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    async with managed(tmp_path, scripted, program=program(tmp_path)) as rig:
        await rig.client()
        await rig.server.close()
        assert running(fake.__file__) == []
        with pytest.raises(OpenCodeUnreachable):
            await rig.client()


async def test_one_that_nobody_needs_is_ended_and_starts_again_when_it_is_needed(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    idle, mission_id = Watchfulness(idle_seconds=0.01), MissionId(new_uuid())
    path = program(tmp_path)
    async with managed(tmp_path, scripted, program=path, watchfulness=idle) as rig:
        for _ in range(2):
            rig.server.hold(mission_id)
            client, pid = await rig.client(), rig.server.pid
            for _ in range(50):  # which takes much longer than it may be idle
                assert await client.version() == "1.18.33"
            assert rig.server.pid == pid
            rig.server.release(mission_id)
            with anyio.fail_after(20):
                while (await rig.server.state()).phase != "stopped":
                    await anyio.sleep(0)
            state = await rig.server.state()
            assert (state.code, state.problem, state.restarts) == ("", "", 0)
            assert (rig.server.pid, running(fake.__file__)) == (None, [])


async def test_one_that_is_needed_while_it_ends_is_started_again(
    tmp_path: Path, scripted: ScriptedServer
) -> None:
    async with managed(tmp_path, scripted, program=program(tmp_path)) as rig:
        await rig.client()
        pid = rig.server.pid
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(rig.server.end)
                while rig.server.pid is not None:
                    await anyio.sleep(0)
                assert await (await rig.client()).version() == "1.18.33"
        assert rig.server.pid not in {None, pid}


class Pipe:
    """A pipe out of which these pieces come."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [*pieces, b""]

    async def read(self) -> bytes:
        return self._pieces.pop(0)


async def test_the_log_does_not_grow_without_end(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "server.log", max_bytes=100)
    await log.follow(Pipe(*(b"%d\n" % number * 25 for number in range(9)), b"x" * 1000))
    for name in ("server.log", "server.log.1"):
        assert 0 < (tmp_path / name).stat().st_size <= 100
    assert log.last_words.endswith("x" * 100)


async def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "no folder" / "server.log")
    await log.follow(Pipe(b"its last words"))
    assert log.last_words == "its last words"
