"""A run on OpenCode after either side was cut off: nothing twice, nothing missing, nothing open."""

import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.protocol.client import new_message_id, part_id_of
from open_agent.backends.opencode.servers.attached import Address, AttachedServer
from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, RunId, new_uuid
from open_agent.core.run import Limits, Outcome
from open_agent.events.model.backend import BackendPrompted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import ModelAnswered, ModelAsked
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.scripted.script import Asked, Style, Turn, always
from tests.conformance.backends.conftest import Open, Stage
from tests.conformance.backends.rig import Rig, backend_rig, command, results, said
from tests.conformance.backends.test_runs import check_log
from tests.interaction.opencode.rig import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WAITING = "while [ ! -e go ]; do sleep 0.05; done; echo went >> effects"


def waiting(asked: Asked) -> Turn:
    """A command that waits to be let go, and then the end."""
    if "Your work was cut off" in said(asked):
        return Turn(text="Went on.")
    if results(asked):
        return Turn(text="Done.")
    return Turn(text="I wait.", calls=(command(asked, WAITING),))


@asynccontextmanager
async def cut_off(rig: Rig, mission_id: MissionId) -> AsyncGenerator[None]:
    """Work on a mission, until the end of the context cuts the worker off in the middle."""
    epoch = await rig.database.leases.claim(mission_id, "test")
    assert epoch is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(rig.worker.work, mission_id, epoch)
        yield
        tasks.cancel_scope.cancel()
    await rig.database.leases.release(mission_id, epoch)


def is_called(events: Sequence[Any]) -> bool:
    """Whether a tool call is on the log."""
    return any(isinstance(event, ToolCalled) for event in events)


async def test_a_worker_that_is_gone_is_followed_by_one_that_goes_on(on_opencode: Open):
    async with on_opencode(waiting) as rig:
        mission_id = await rig.submit()
        async with cut_off(rig, mission_id):
            await rig.until(mission_id, is_called)
        async with rig.working(mission_id):
            await rig.until(mission_id, lambda events: bool(rig.worker.contexts))
            (rig.workspace / "go").touch()
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])
        effects = (rig.workspace / "effects").read_text()

    assert ended.end.result == "Done."
    assert [event.outcome for event in ended.events(ToolReturned)] == ["ok"]
    assert [prompt.cause for prompt in ended.events(BackendPrompted)] == ["start"]
    assert effects == "went\n"


async def test_what_happened_meanwhile_is_recorded_once(on_opencode: Open):
    async with on_opencode(waiting) as rig:
        mission_id = await rig.submit()
        async with cut_off(rig, mission_id):
            await rig.until(mission_id, is_called)
        (rig.workspace / "go").touch()
        with anyio.fail_after(60):
            [prompt] = (await rig.look_at(mission_id)).events(BackendPrompted)
            assert rig.server is not None
            client = await rig.server.client()
            while prompt.session_id in await client.status(str(rig.workspace)):
                await anyio.sleep(0.05)
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Done."
    assert [answer.text for answer in ended.events(ModelAnswered)] == ["I wait.", "Done."]
    assert ended.end.usage.input_tokens == 200


async def test_a_drained_worker_leaves_the_run_to_the_next(on_opencode: Open):
    async with on_opencode(waiting) as rig:
        mission_id = await rig.submit()
        async with rig.working(mission_id):
            await rig.until(mission_id, is_called)
            rig.worker.contexts[mission_id].drain()
        assert (await rig.look_at(mission_id)).state.run is not None
        (rig.workspace / "go").touch()
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Done."


async def test_a_prompt_that_was_not_sent_is_sent_once(on_opencode: Open):
    def script(asked: Asked) -> Turn:
        return Turn(text=f"{said(asked).count('Do it.')} times")

    async with on_opencode(script) as rig:
        mission_id = await rig.submit()
        assert rig.server is not None
        client = await rig.server.client()
        title = f"Open Agent mission {mission_id}"
        session = await client.create_session(str(rig.workspace), title)
        prompt_id = await begin(rig, mission_id, session.id)
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        messages = await client.messages(session.id, str(rig.workspace))

    assert ended.end.result == "1 times"
    assert len(ended.events(BackendPrompted)) == 1
    assert [m.info.id for m in messages if m.info.role == "user"] == [prompt_id]


async def test_a_prompt_that_opencode_has_and_forgot_is_worked_on_at_once(on_opencode: Open):
    """It was killed between taking the prompt down and beginning to work on it."""

    def script(asked: Asked) -> Turn:
        return Turn(text=f"{said(asked).count('Do it.')} times")

    async with on_opencode(script, bounds=Bounds(start=timedelta(hours=1))) as rig:
        mission_id = await rig.submit()
        assert rig.server is not None
        client = await rig.server.client()
        title = f"Open Agent mission {mission_id}"
        session = await client.create_session(str(rig.workspace), title)
        prompt_id = await begin(rig, mission_id, session.id)
        async with httpx2.AsyncClient(
            base_url=client.base_url, auth=("opencode", PASSWORD)
        ) as http:
            taken = await http.post(
                f"/session/{session.id}/message",
                params={"directory": str(rig.workspace)},
                json={
                    "messageID": prompt_id,
                    "noReply": True,
                    "parts": [{"id": part_id_of(prompt_id), "type": "text", "text": "Do it."}],
                },
            )
            assert taken.status_code == 200
        with anyio.fail_after(120):
            await rig.work(mission_id)
        ended = await rig.look_at(mission_id)
        messages = await client.messages(session.id, str(rig.workspace))

    assert ended.end.result == "1 times"
    assert [m.info.id for m in messages if m.info.role == "user"] == [prompt_id]


async def begin(rig: Rig, mission_id: MissionId, session_id: str) -> str:
    """What a worker leaves that was cut off right before it sent the prompt; the prompt's id."""
    prompt_id = new_message_id(SystemClock())
    [message] = [
        record.event
        for record in await rig.database.log.read(mission_id)
        if isinstance(record.event, MessageReceived)
    ]
    run_id = RunId(new_uuid())
    epoch = await rig.database.leases.claim(mission_id, "test")
    assert epoch is not None
    started = RunStarted(
        message_ids=[message.message_id],
        backend="opencode",
        model="scripted",
        limits=Limits(budget_microdollars=0),
        root_run_id=run_id,
    )
    prompted = BackendPrompted(
        backend="opencode",
        session_id=session_id,
        prompt_id=prompt_id,
        cause="start",
        message_ids=[message.message_id],
        decided_on=2,
    )
    await rig.database.log.append(
        mission_id, epoch, [started, prompted], run_id=run_id, known_seq=2
    )
    await rig.database.leases.release(mission_id, epoch)
    return prompt_id


def kill(stage: Stage) -> None:
    """End OpenCode at once, as a power cut would."""
    pid = stage.opencode.server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_killed_opencode_is_started_again_and_the_run_goes_on(
    on_opencode: Open, stage: Stage
):
    async with on_opencode(waiting) as rig:
        mission_id = await rig.submit()
        async with rig.working(mission_id):
            await rig.until(mission_id, is_called)
            kill(stage)
        await rig.finish(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Went on."
    [returned] = ended.events(ToolReturned)
    assert returned.outcome == "unknown"
    [recovered] = ended.events(RunRecovered)
    assert recovered.unanswered == [returned.call_id]
    assert [prompt.cause for prompt in ended.events(BackendPrompted)] == ["start", "continue"]


async def test_opencode_killed_while_it_writes(on_opencode: Open, stage: Stage):
    def script(asked: Asked) -> Turn:
        if "Your work was cut off" in said(asked):
            return Turn(text="Went on.")
        return Turn(text="A long text. " * 100, style=Style(delay=0.1))

    async with on_opencode(script) as rig:
        mission_id = await rig.submit()
        with anyio.fail_after(90), rig.feed.watch(mission_id) as watch:
            async with rig.working(mission_id):
                while not watch.deltas():
                    await watch.changed(0.2)
                kill(stage)
        await rig.finish(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Went on."


async def test_an_opencode_that_dies_again_and_again_ends_the_run_by_name(
    on_opencode: Open, stage: Stage
):
    def script(asked: Asked) -> Turn:
        return Turn(text="A long text. " * 1000, style=Style(delay=0.1))

    async with on_opencode(script) as rig:
        mission_id = await rig.submit()
        kills = 0
        with anyio.fail_after(240):
            async with rig.working(mission_id):
                while not (await rig.look_at(mission_id)).events(RunFinished):
                    asked = (await rig.look_at(mission_id)).events(ModelAsked)
                    if len(asked) > kills:
                        kills = len(asked)
                        kill(stage)
                    await anyio.sleep(0.01)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "backend.ended")
    assert [p.cause for p in ended.events(BackendPrompted)] == ["start"] + ["continue"] * 3


async def test_both_killed(on_opencode: Open, stage: Stage):
    async with on_opencode(waiting) as rig:
        mission_id = await rig.submit()
        async with cut_off(rig, mission_id):
            await rig.until(mission_id, is_called)
        kill(stage)
        await rig.finish(mission_id)
        ended = await rig.look_at(mission_id)
        check_log(rig, [record.event for record in ended.records])

    assert ended.end.result == "Went on."
    assert [event.outcome for event in ended.events(ToolReturned)] == ["unknown"]


async def test_an_opencode_that_is_not_there_is_waited_for_and_then_named(
    stage: Stage, tmp_path: Path
):
    nowhere = AttachedServer(Address("http://127.0.0.1:9"))
    options: dict[str, Any] = {"server": nowhere, "parks": 1, "tries": 1}
    script = always("?")
    async with backend_rig(
        "opencode", tmp_path, stage.model, stage.base_url, script, **options
    ) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        await rig.finish(mission_id)
        ended = await rig.look_at(mission_id)

    assert [wait.reason for wait in ended.events(RunWaiting)] == ["backend.unreachable"] * 2
    assert (ended.end.outcome, ended.end.reason) == (Outcome.FAILED, "opencode.unreachable")


async def test_a_cancel_ends_a_run_whose_opencode_is_not_there(stage: Stage, tmp_path: Path):
    nowhere = AttachedServer(Address("http://127.0.0.1:9"))
    script = always("?")
    async with backend_rig(
        "opencode", tmp_path, stage.model, stage.base_url, script, server=nowhere
    ) as rig:
        mission_id = await rig.submit()
        await rig.work(mission_id)
        await rig.cancel(mission_id)
        await rig.work(mission_id)
        ended = await rig.look_at(mission_id)

    assert (ended.end.outcome, ended.end.reason) == (Outcome.CANCELLED, "user")
