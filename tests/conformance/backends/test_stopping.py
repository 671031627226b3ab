"""Stopping a run on an OpenCode that hangs: at once, and with nothing of it left at work."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from open_agent.backends.opencode.backend import Handling
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.servers.attached import Address, AttachedServer
from open_agent.core.run import Outcome
from open_agent.events.model.run import RunStarted
from open_agent.events.model.tool import ToolReturned
from open_agent.scripted.script import Asked, Turn, always
from tests.conformance.backends.conftest import Open, Stage
from tests.conformance.backends.rig import backend_rig, command
from tests.conformance.backends.test_recovery import is_called
from tests.interaction.opencode.rig import PASSWORD, managed
from tests.interaction.opencode.test_starting import program
from tests.running import gone, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("how", ["cancel", "drain"])
async def test_a_start_that_hangs_is_waited_for_by_nobody_who_wants_to_stop(
    stage: Stage, tmp_path: Path, how: str
):
    hanging = program(tmp_path, "--silent")
    async with (
        managed(tmp_path / "ours", stage.scripted, program=hanging) as opencode,
        backend_rig(
            "opencode",
            tmp_path,
            stage.model,
            stage.base_url,
            always("?"),
            server=opencode.server,
        ) as rig,
    ):
        mission_id = await rig.submit()
        with anyio.fail_after(60):  # the start has 150 seconds
            async with rig.working(mission_id):
                await rig.until(
                    mission_id, lambda events: any(isinstance(e, RunStarted) for e in events)
                )
                if how == "cancel":
                    await rig.cancel(mission_id)
                else:
                    rig.worker.contexts[mission_id].drain()
        found = await rig.look_at(mission_id)

    assert (found.state.run is None) is (how == "cancel")
    if how == "cancel":
        assert (found.end.outcome, found.end.reason) == (Outcome.CANCELLED, "user")


@contextmanager
def hanging(pid: int | None) -> Generator[None]:
    """A program does nothing meanwhile."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was ended
            os.kill(pid, signal.SIGCONT)


def endless(mark: str):
    def script(asked: Asked) -> Turn:
        return Turn(calls=(command(asked, mark),))

    return script


async def test_a_stop_ends_an_opencode_of_ours_that_hangs_and_its_commands(
    on_opencode: Open, stage: Stage, mark: str
):
    async with on_opencode(endless(mark)) as rig:
        mission_id = await rig.submit()
        async with rig.working(mission_id):
            await rig.until(mission_id, is_called)
            await started(mark)
            with hanging(stage.opencode.server.pid):
                await rig.cancel(mission_id)
                await gone(mark, seconds=60)
        ended = await rig.look_at(mission_id)
        assert (await stage.opencode.server.state()).phase == "stopped"

    assert (ended.end.outcome, ended.end.result) == (Outcome.CANCELLED, "The run was cancelled.")
    assert [event.outcome for event in ended.events(ToolReturned)] == ["cancelled"]


async def test_a_stop_says_that_an_opencode_of_others_which_hangs_may_go_on(
    stage: Stage, tmp_path: Path, mark: str
):
    client = await stage.opencode.client()
    other = AttachedServer(Address(client.base_url, PASSWORD))
    async with backend_rig(
        "opencode",
        tmp_path,
        stage.model,
        stage.base_url,
        endless(mark),
        server=other,
        handling=Handling(bounds=Bounds(stop=timedelta(seconds=2))),
    ) as rig:
        mission_id = await rig.submit()
        async with rig.working(mission_id):
            await rig.until(mission_id, is_called)
            await started(mark)
            with hanging(stage.opencode.server.pid):
                await rig.cancel(mission_id)
                await rig.until(mission_id, lambda events: events[-1].type == "run.finished", 60)
        ended = await rig.look_at(mission_id)
        [session] = ended.state.sessions.values()
        await client.abort(session.session_id, str(rig.workspace))
        await gone(mark, seconds=60)
    await other.close()

    assert ended.end.outcome is Outcome.CANCELLED
    assert "may go on" in (ended.end.result or "")
