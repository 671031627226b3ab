"""Both streams, cut and resumed, live and late."""

import json
import random
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest

from open_agent.core.ids import RunId
from open_agent.core.run import Outcome
from open_agent.engine.feed import Feed
from open_agent.events.delta import DeltaSource
from open_agent.server.http import HttpOptions, create_app
from open_agent.services.missions import MissionEvents
from open_agent.testing.asgi import client_of
from tests.histories import History, begun
from tests.interaction.http.rig import (
    TOKEN,
    Sse,
    SseReader,
    Stream,
    served,
    server,
    streaming,
)
from tests.interaction.requirements import requirement

UNKNOWN = ["garbage", "-1", "12.", "1e3", "999", "999.0", "6.9", "9" * 5000, "٣", "1 2"]
"""Cursors that no reader of the log of `worked` can have: 6.9 names no frame."""


def worked(outcome: Outcome = Outcome.SUCCEEDED) -> History:
    """A run with every kind of log entry; records 1 to 13."""
    history = begun().asked().answered("I look.", [("run_command", "{}")]).called().returned()
    return history.asked().failed().asked_again().answered("Hello\n\nworld.").finished(outcome)


@requirement("tasks:stream:live")
async def test_entries_come_as_they_happen_and_then_done(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        async with streaming(client, f"/api/task/{id_}/stream") as stream:
            history = worked()
            seen: list[Sse] = []
            for record in history.records[2:]:
                await rig.append(id_, record.event)
                if record.event.type == "tool.called":
                    seen += await stream.take(2)
            seen += await stream.rest()
        log = (await client.get(f"/api/task/{id_}")).json()["log"]
        assert [json.loads(event.data) for event in seen[:-1]] == log
        assert [event.event for event in seen] == ["log"] * 5 + ["done"]
        assert [event.id for event in seen] == ["5.0", "6.0", "7.0", "9.0", "11.0", "12.0"]
        assert json.loads(seen[-1].data) == {"status": "completed", "result": "Done."}


@requirement("tasks:stream:live")
async def test_a_failed_task_shows_an_error_and_then_done(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun().finished(Outcome.EXHAUSTED))
        async with streaming(client, f"/api/task/{id_}/stream") as stream:
            error, done = await stream.rest()
        assert (error.event, error.id, done.event, done.id) == ("log", "4.0", "done", "4.1")
        assert json.loads(error.data)["entry_type"] == "error"
        assert json.loads(done.data) == {"status": "failed", "result": "Error: Done."}


@requirement("tasks:stream:finished")
async def test_a_finished_task_streams_the_same_later_and_after_a_restart(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        async with streaming(client, f"/api/task/{id_}/stream") as stream:
            await rig.work(id_, worked())
            live = await stream.rest()
        async with streaming(client, f"/api/task/{id_}/stream") as stream:
            assert await stream.rest() == live
    async with (
        served(tmp_path) as (_, client),
        streaming(client, f"/api/task/{id_}/stream") as stream,
    ):
        assert await stream.rest() == live


@requirement("tasks:stream:resume")
async def test_the_header_and_the_query_resume_alike(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, worked())
        path = f"/api/task/{id_}/stream"
        async with streaming(client, path) as stream:
            whole = await stream.rest()
        for place, event in enumerate(whole[:-1]):
            async with streaming(client, path, last_id=event.id) as stream:
                assert await stream.rest() == whole[place + 1 :]
            async with streaming(client, f"{path}?after={event.id}") as stream:
                assert await stream.rest() == whole[place + 1 :]
        async with streaming(client, f"{path}?after=6", last_id="7.0") as stream:
            assert await stream.rest() == whole[3:]
        for start in ("0", "0.0", "1", "2", "4", ""):
            async with streaming(client, f"{path}?after={start}") as stream:
                assert await stream.rest() == whole


@requirement("tasks:stream:resume")
async def test_who_has_seen_the_end_is_told_not_to_come_back(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, worked(Outcome.FAILED))
        for last in ("12.1", "12"):
            reply = await client.get(f"/api/task/{id_}/stream", headers={"Last-Event-ID": last})
            assert (reply.status_code, reply.content) == (204, b"")
        async with streaming(client, f"/api/task/{id_}/stream", last_id="12.0") as stream:
            assert [event.event for event in await stream.rest()] == ["done"]


@requirement("tasks:stream:resume")
async def test_an_unknown_cursor_resets_the_task_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, worked())
        path = f"/api/task/{id_}/stream"
        async with streaming(client, path) as stream:
            whole = await stream.rest()
        for cursor in [*UNKNOWN, "4.0"]:
            async with client.stream("GET", path, params={"after": cursor}) as response:
                reset, *rest = await Stream(response).rest()
            assert (reset.event, reset.id) == ("reset", None), cursor
            assert rest == whole


@requirement("missions:stream:exact")
async def test_an_unknown_cursor_resets_the_mission_stream(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, worked())
        whole = [record.json for record in await rig.records(id_)]
        for cursor in [*UNKNOWN, "4.1"]:
            params = {"after": cursor}
            async with client.stream(
                "GET", f"/api/missions/{id_}/stream", params=params
            ) as response:
                reset, snapshot, *rest = await Stream(response).take(14)
            assert [reset.event, snapshot.event] == ["reset", "snapshot"], cursor
            assert [event.data.encode() for event in rest] == whole


@requirement("missions:stream:exact")
async def test_the_mission_stream_begins_with_the_mission_and_is_the_log(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        async with streaming(client, f"/api/missions/{id_}/stream") as stream:
            snapshot, *_ = await stream.take(3)
            await rig.work(id_, worked())
            rest = await stream.take(10)
        assert (snapshot.event, snapshot.id) == ("snapshot", None)
        assert json.loads(snapshot.data)["run_state"] == "queued"
        records = await rig.records(id_)
        assert [(e.event, e.id, e.data.encode()) for e in rest] == [
            (record.type, f"{record.seq}.0", record.json) for record in records[2:]
        ]


@requirement("missions:stream:deltas")
async def test_live_text_comes_between_events_and_late_readers_get_it_so_far(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun().asked())
        live = rig.feed.open(DeltaSource(id_, RunId("run"), step=1))
        path = f"/api/missions/{id_}/stream"
        async with streaming(client, path, last_id="4.0") as early:
            await early.take(1)
            live.write("text", "Hel")
            first = await early.take(1)
            live.write("text", "lo")
            first += await early.take(1)
            async with streaming(client, path, last_id="4.0") as late:
                _, joined = await late.take(2)
            live.close()
            await rig.append(id_, begun().asked().answered("Hello").records[-1].event)
            (answered,) = await early.take(1)
        assert [(e.event, e.id) for e in [*first, joined]] == [("delta", None)] * 3
        assert [pick(e, "offset", "content") for e in first] == [(0, "Hel"), (3, "lo")]
        assert pick(joined, "offset", "content", "kind", "step") == (0, "Hello", "text", 1)
        assert (answered.event, answered.id) == ("model.answered", "5.0")


@requirement("tasks:stream:keep-alive")
@pytest.mark.parametrize("path", ["/api/task/{}/stream", "/api/missions/{}/stream"])
async def test_a_silent_stream_says_at_once_and_then_now_and_again_that_it_lives(
    tmp_path: Path, path: str
) -> None:
    async with served(tmp_path, options=HttpOptions(keep_alive=0.02)) as (rig, client):
        id_ = await rig.submit(client)
        async with streaming(client, path.format(id_)) as stream:
            await stream.comment("open")
            for _ in range(3):
                stream.reader.comments.clear()
                await stream.comment("keep-alive")
            await rig.work(id_, begun().asked().answered("Hello.").finished())
            with anyio.fail_after(5):
                while (event := await stream.next()) and event.event not in (
                    "done",
                    "run.finished",
                ):
                    pass
            assert event is not None


@requirement("missions:stream:exact")
async def test_a_wake_up_that_is_lost_costs_no_event(tmp_path: Path) -> None:
    async with server(tmp_path) as rig:
        deaf = replace(rig.services, missions=MissionEvents(rig.db.log, rig.db.missions, Feed()))
        app = create_app(deaf, HttpOptions(keep_alive=0.02))
        async with client_of(app, token=TOKEN) as client:
            id_ = await rig.submit(client)
            async with streaming(client, f"/api/missions/{id_}/stream") as stream:
                await stream.take(3)
                await rig.work(id_, begun())
                (started,) = await stream.take(1)
            assert started.id == "3.0"


@requirement("server:ready:draining")
async def test_streams_end_when_the_server_stops_and_go_on_elsewhere(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun().asked().answered("I look.", [("run_command", "{}")]))
        async with (
            streaming(client, f"/api/task/{id_}/stream") as task,
            streaming(client, f"/api/missions/{id_}/stream") as mission,
        ):
            seen = await task.take(1)
            await mission.take(6)
            rig.feed.close()
            assert await task.rest() == []
            assert await mission.rest() == []
            assert any("stopping" in comment for comment in task.reader.comments)
    async with (
        served(tmp_path) as (rig, client),
        streaming(client, f"/api/task/{id_}/stream", last_id=seen[0].id) as task,
    ):
        rig.runs[id_] = RunId((await rig.db.missions.get_for_system(id_)).run_id or "")
        await rig.work(id_, History().created().message().finished())
        assert [event.event for event in await task.rest()] == ["done"]


@requirement("missions:stream:slow-client")
@pytest.mark.timeout(20)
async def test_readers_that_come_and_go_leave_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        for number in range(100):
            kind = "task" if number % 2 else "missions"
            async with streaming(client, f"/api/{kind}/{id_}/stream") as stream:
                if number % 3:
                    await stream.comment("open")
        assert rig.feed.watchers == 0
        assert len(anyio.get_running_tasks()) < 10


@requirement("missions:stream:exact", "tasks:stream:resume")
@pytest.mark.timeout(60)
async def test_a_thousand_cuts_and_resumes_equal_the_log(tmp_path: Path) -> None:
    chance = random.Random(61)
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        history = begun()
        for number in range(40):
            history.asked().answered(f"Step {number}\n\r\né", [("run_command", "{}")] * 2)
            history.called(0).returned(0, "x" * chance.randrange(3000)).called(1).returned(1)
        history.asked().answered("All of it.").finished(Outcome.FAILED)
        paths = [f"/api/task/{id_}/stream", f"/api/missions/{id_}/stream"]
        cutters = [Cutter(client, path, chance) for path in paths]
        async with anyio.create_task_group() as group:
            group.start_soon(rig.work, id_, history)
            for cutter in cutters:
                group.start_soon(cutter.read)
        task, mission = (cutter.seen for cutter in cutters)
        for cutter in cutters:
            while cutter.cuts < 500:
                again = Cutter(client, cutter.path, chance)
                await again.read()
                assert again.seen == cutter.seen
                cutter.cuts += again.cuts
        async with streaming(client, f"/api/task/{id_}/stream") as stream:
            assert task == await stream.rest()
        log = (await client.get(f"/api/task/{id_}")).json()["log"]
        assert [json.loads(event.data) for event in task[:-1]] == log
        assert [event.data.encode() for event in mission] == [
            record.json for record in await rig.records(id_)
        ]


class Cutter:
    """Reads a stream to its end over connections that break at random bytes."""

    def __init__(self, client: httpx2.AsyncClient, path: str, chance: random.Random) -> None:
        self.client = client
        self.path = path
        self.chance = chance
        self.cuts = 0
        self.seen: list[Sse] = []
        """Everything that had an id."""

    async def read(self) -> None:
        while not (self.seen and self.seen[-1].event in ("done", "run.finished")):
            headers = {"Last-Event-ID": self.seen[-1].id or ""} if self.seen else {}
            async with self.client.stream("GET", self.path, headers=headers) as response:
                await self._read_until_cut(response)
            self.cuts += 1

    async def _read_until_cut(self, response: httpx2.Response) -> None:
        left = self.chance.randrange(1, 6000)
        reader = SseReader()
        async for piece in response.aiter_raw():
            self.seen += [event for event in reader.feed(piece[:left]) if event.id]
            left -= len(piece)
            if left <= 0 or (self.seen and self.seen[-1].event == "run.finished"):
                return


def pick(event: Sse, *names: str) -> tuple[object, ...]:
    data = json.loads(event.data)
    return tuple(data[name] for name in names)
