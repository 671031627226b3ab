"""The control stream, live, cut anywhere, resumed, and begun nowhere."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.core.ids import MissionId
from open_agent.core.run import Outcome
from open_agent.events.delta import DeltaSource
from open_agent.server.http import HttpOptions
from tests.histories import begun
from tests.interaction.http.people import ANNA, BEN, MANY, client_as
from tests.interaction.http.rig import OWNER, Rig, Sse, Stream, served, server, streaming
from tests.interaction.http.test_control import end_run, send, start_run
from tests.interaction.requirements import requirement

PATH = "/api/control/stream"
UNKNOWN = ["garbage", "-1", "12.", "1e3", "99999", "99999.0", "4.9", "9" * 5000, "٣"]
"""Cursors that no reader of what `two_missions` makes can have: 4.9 names no frame."""


async def two_missions(rig: Rig, client: httpx2.AsyncClient) -> list[str]:
    """Two missions whose runs take turns, and a task that is none of this."""
    first = (await send(client, "First."))["mission_id"]
    await client.post("/api/control/missions")
    second = (await send(client, "Second."))["mission_id"]
    task = await rig.submit(client)
    await start_run(rig, first)
    await start_run(rig, second)
    await rig.work(task, begun().asked().answered("A task.").finished())
    history = begun().asked().answered("I look.", [("run_command", "{}")]).called().returned()
    for record in history.records[3:]:
        await rig.append(MissionId(first), record.event)
        await rig.append(MissionId(second), record.event)
    await client.post(f"/api/control/missions/{first}/cancel")
    await end_run(rig, first, Outcome.CANCELLED)
    await end_run(rig, second)
    return [first, second]


def stored(events: Sequence[Sse]) -> list[Sse]:
    """Those that happened, as against those that say how things are."""
    return [event for event in events if event.id is not None]


async def until(stream: Stream, event: str, **fields: Any) -> list[Sse]:
    """Everything up to an event with these fields."""
    seen: list[Sse] = []
    while True:
        (one,) = await stream.take(1)
        seen.append(one)
        data = json.loads(one.data)
        if one.event == event and fields.items() <= data.items():
            return seen


async def everything(client: httpx2.AsyncClient, last_id: str = "0") -> list[Sse]:
    """The stream from a place on, to a mark that is made for it."""
    made = await client.post("/api/control/missions", json={"title": "mark"})
    id_ = made.json()["id"]
    async with streaming(client, PATH, last_id=last_id) as stream:
        seen = await until(stream, "mission_selected", mission_id=id_)
    deleted = await client.delete(f"/api/control/missions/{id_}")
    assert deleted.status_code == 200, deleted.text
    return stored(seen)


@requirement("control:stream:frames")
async def test_the_stream_begins_with_status_and_shows_what_happens(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client), streaming(client, PATH) as stream:
        (first,) = await stream.take(1)
        assert (first.event, json.loads(first.data)["state"]) == ("status", "idle")
        sent = await send(client, "Do it.")
        id_ = sent["mission_id"]
        seen = await until(stream, "status", state="running", queue_len=1)
        (message,) = [json.loads(each.data) for each in seen if each.event == "user_message"]
        assert (message["id"], message["content"]) == (sent["id"], "Do it.")
        await start_run(rig, id_)
        await until(stream, "status", state="running", queue_len=0)
        history = begun().asked().answered("I look.", [("run_command", "{}")]).called().returned()
        for record in history.records[3:]:
            await rig.append(MissionId(id_), record.event)
        await end_run(rig, id_)
        seen = await until(stream, "status", state="idle")
        names = [each.event for each in stored(seen)]
        assert names == [
            "agent_phase",
            "thinking",
            "tool_call",
            "tool_result",
            "assistant_message",
        ]
        answer = json.loads(next(each for each in seen if each.event == "assistant_message").data)
        assert (answer["content"], answer["success"], answer["mission_id"]) == ("Done.", True, id_)
        assert answer["model"] == "test/model"


@requirement("control:stream:frames")
async def test_a_stop_where_nothing_runs_is_told(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client), streaming(client, PATH) as stream:
        await stream.take(1)
        assert (await client.post("/api/control/cancel")).json() == {"ok": True}
        (told,) = await stream.take(1)
        assert (told.event, told.id) == ("error", None)
        assert json.loads(told.data)["message"] == "No running task to cancel"


@requirement("control:stream:own")
async def test_a_stream_has_all_of_ones_missions_and_no_more(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_as(rig, BEN) as ben,
        streaming(anna, PATH) as hers,
        streaming(ben, PATH) as his,
    ):
        await his.take(1)
        secret = await send(anna, "A secret of anna's.")
        await rig.submit(anna, "A task of anna's.")
        await until(hers, "user_message", id=secret["id"])
        other = await send(ben, "Ben's.")
        seen = await until(his, "user_message", id=other["id"])
        assert "anna" not in "".join(each.data for each in seen)
        assert secret["mission_id"] not in "".join(each.data for each in seen)
        whole = await everything(anna)
        assert "A task" not in "".join(each.data for each in whole)


@requirement("control:stream:own")
async def test_a_stream_ends_with_the_session_it_was_opened_in(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        streaming(anna, PATH) as stream,
    ):
        await stream.take(1)
        assert (await anna.post("/api/auth/logout")).status_code == 204
        assert await stream.rest() == []
        assert any("signed out" in comment for comment in stream.reader.comments)


@requirement("control:stream:frames")
async def test_of_a_fork_its_making_is_told_and_not_its_copies(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        missions = await two_missions(rig, client)
        path = f"/api/control/missions/{missions[1]}"
        last = (await client.get(path)).json()["last_seq"]
        fork = (await client.post(f"{path}/fork", json={"at_seq": last})).json()["id"]
        events = [e for e in await everything(client) if fork in e.data]
        names = [event.event for event in events]
        assert names == ["mission_created", "mission_renamed", "mission_selected"]
        assert json.loads(events[0].data)["forked_from"] == missions[1]
        history = (await client.get(f"/api/control/missions/{fork}")).json()["history"]
        assert [each["content"] for each in history] == ["Second.", "Done."]


@requirement("control:stream:resume")
async def test_every_id_resumes_exactly_and_the_whole_equals_the_log(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        missions = await two_missions(rig, client)
        whole = await everything(client)
        mark = next(n for n, each in enumerate(whole) if '"title":"mark"' in each.data)
        whole = whole[:mark]
        for place, event in enumerate(whole):
            rest = await everything(client, str(event.id))
            assert [(e.id, e.data) for e in rest[: mark - place - 1]] == [
                (e.id, e.data) for e in whole[place + 1 :]
            ]
        said = [json.loads(e.data) for e in whole if e.event == "assistant_message"]
        assert [(each["mission_id"], each["success"]) for each in said] == [
            (missions[0], False),
            (missions[1], True),
        ]
        assert len({each.id for each in whole}) == len(whole)
    async with served(tmp_path) as (_, client):
        again = await everything(client)
        assert [(e.id, e.data) for e in again[:mark]] == [(e.id, e.data) for e in whole]


@requirement("control:stream:resume")
async def test_a_stream_cut_anywhere_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with served(tmp_path) as (rig, client):
        await two_missions(rig, client)
        whole = await everything(client)
        for _ in range(25):
            seen: list[Sse] = []
            last = "0"
            while not seen or seen[-1].id != whole[-4].id:
                async with streaming(client, PATH, last_id=last) as stream:
                    for _ in range(chance.randint(1, 9)):
                        (event,) = await stream.take(1)
                        if stored([event]):
                            seen.append(event)
                            last = str(event.id)
                        if last == whole[-4].id:
                            break
            assert [(e.id, e.data) for e in seen] == [(e.id, e.data) for e in whole[: len(seen)]]


@requirement("control:stream:reset")
@pytest.mark.parametrize("cursor", UNKNOWN)
async def test_who_is_nowhere_is_told_how_things_are(tmp_path: Path, cursor: str) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        await two_missions(rig, client)
        id_ = (await send(client, "Wait."))["mission_id"]
        async with client.stream("GET", PATH, params={"after": cursor}) as response:
            stream = Stream(response)
            (status, reset) = await stream.take(2)
            assert (status.event, reset.event) == ("status", "reset")
            data = json.loads(reset.data)
            assert (data["reason"], data["current"]) == ("cursor.unknown", id_)
            assert [each["mission_id"] for each in data["running"]] == [id_]
            assert (data["queues"], data["questions"]) == ({id_: 1}, [])
            assert (status.id, stream.reader.last_id) == (None, data["cursor"])
            sent = await send(client, "Go on.")
            seen = await until(stream, "user_message", id=sent["id"])
            assert [each.event for each in stored(seen)] == ["user_message"]


@requirement("control:stream:resume")
async def test_nothing_is_missed_by_who_had_seen_nothing_yet(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        await send(client, "Before.")
        async with streaming(client, PATH) as stream:
            await stream.take(1)
            last = stream.reader.last_id
        sent = await send(client, "Meanwhile.")
        async with streaming(client, PATH, last_id=last) as stream:
            seen = await until(stream, "user_message", id=sent["id"])
            assert [each.event for each in stored(seen)] == ["user_message"]


@requirement("control:stream:live")
async def test_text_is_shown_as_it_is_written(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        id_ = MissionId((await send(client))["mission_id"])
        await start_run(rig, id_)
        await rig.append(id_, begun().asked().records[3].event)
        text = rig.feed.open(DeltaSource(id_, rig.runs[id_], step=1))
        text.write("reasoning", "Hm.")
        text.write("text", "Once")
        async with streaming(client, PATH) as stream:
            seen = await until(stream, "thinking")
            assert json.loads(seen[-1].data)["content"] == "Hm.\n\nOnce"
            assert json.loads(seen[-1].data)["done"] is False
            pieces = {e.event: json.loads(e.data)["content"] for e in seen if "delta" in e.event}
            assert pieces == {"reasoning_delta": "Hm.", "text_delta": "Once"}
            text.write("text", " upon")
            seen = await until(stream, "thinking", content="Hm.\n\nOnce upon")
            delta = json.loads(next(e for e in seen if e.event == "text_delta").data)
            assert (delta["offset"], delta["content"]) == (4, " upon")
            assert all(e.id is None for e in seen)
            text.close()
            await end_run(rig, id_)
            await until(stream, "assistant_message", mission_id=id_)


@requirement("control:stream:frames")
async def test_silence_is_filled_and_a_stopping_server_says_so(tmp_path: Path) -> None:
    async with (
        served(tmp_path, options=HttpOptions(keep_alive=0.05), is_durable=False) as (rig, client),
        streaming(client, PATH) as stream,
    ):
        await stream.take(1)
        await stream.comment("keep-alive")
        rig.feed.close()
        assert await stream.rest() == []
        assert any("stopping" in comment for comment in stream.reader.comments)
        assert rig.feed.watchers == 0
        assert (await rig.db.control.place(owner=OWNER)).last_seq == 0
