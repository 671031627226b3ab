"""The task API as the original's clients call it."""

import json
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from open_agent.core.ids import MissionId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Outcome
from open_agent.events.model.mission import MissionCreated
from tests.histories import History, begun
from tests.interaction.http.rig import served
from tests.interaction.requirements import requirement

NOBODYS = "0e8400e2-9b41-4d4a-8716-446655440000"


@requirement("tasks:submit:accepted")
async def test_a_task_is_accepted_with_its_id(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        reply = await client.post("/api/task", json={"task": "Do it.", "unknown": {"field": 1}})
        assert reply.status_code == 200
        body = reply.json()
        assert body == {"id": body["id"], "status": "pending"}
        assert rig.engine.woken == [body["id"]]
        assert [record.type for record in await rig.records(body["id"])] == [
            "mission.created",
            "message.received",
        ]


@requirement("tasks:submit:accepted")
async def test_what_a_task_asks_for_is_on_the_log(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    wish = {"task": "Do it.", "model": "a/model", "working_dir": str(folder), "budget_cents": 25}
    async with served(tmp_path) as (rig, client):
        id_ = (await client.post("/api/task", json=wish)).json()["id"]
        created, message = [json.loads(r.json)["event"] for r in await rig.records(id_)]
        assert created["workspace"] == str(folder)
        assert not created["is_workspace_ours"]
        assert message["content"] == "Do it."
        assert message["options"]["model"] == "a/model"
        assert message["options"]["budget_microdollars"] == 250_000
        assert (await client.get(f"/api/task/{id_}")).json()["model"] == "a/model"


@requirement("tasks:submit:accepted")
@pytest.mark.parametrize("blank", [None, "", "  "])
async def test_a_task_without_a_directory_gets_its_own(tmp_path: Path, blank: str | None) -> None:
    async with served(tmp_path) as (rig, client):
        body = {"task": "Do it.", "working_dir": blank, "model": blank, "budget_cents": None}
        id_ = (await client.post("/api/task", json=body)).json()["id"]
        created = json.loads((await rig.records(id_))[0].json)["event"]
        assert created["workspace"] == str(tmp_path / "work" / "workspaces" / f"task-{id_}")
        assert created["is_workspace_ours"]


@requirement("tasks:submit:empty")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"task": ""}, "task.empty"),
        ({"task": " \n\t "}, "task.empty"),
        ({"task": "x" * 200_000}, "task.too_long"),
        ({}, "request.invalid"),
        ({"task": None}, "request.invalid"),
        ({"task": ["Do it."]}, "request.invalid"),
        ({"task": "Do it.", "budget_cents": -1}, "request.invalid"),
        ({"task": "Do it.", "budget_cents": 10**30}, "request.invalid"),
        ({"task": "Do it.", "budget_cents": 1.5}, "request.invalid"),
        ({"task": "Do it.", "model": "bad\nname"}, "model.invalid"),
        ({"task": "Do it.", "working_dir": "relative"}, "working_dir.not_absolute"),
        ({"task": "Do it.", "working_dir": "/a\0b"}, "working_dir.not_absolute"),
        ({"task": "Do it.", "working_dir": "~nobody-of-that-name/x"}, "working_dir.not_absolute"),
        ({"task": "Do it.", "working_dir": "/dev/null/x"}, "working_dir.unusable"),
    ],
)
async def test_a_wrong_task_is_refused_and_leaves_nothing(
    tmp_path: Path, body: dict[str, Any], code: str
) -> None:
    async with served(tmp_path) as (_, client):
        reply = await client.post("/api/task", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, code)
        assert (await client.get("/api/tasks")).json() == []


@requirement("tasks:submit:idempotent", "tasks:submit:key-reused")
async def test_the_same_key_submits_once_also_after_a_restart(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "key-1"}
    async with served(tmp_path) as (rig, client):
        first = await client.post("/api/task", json={"task": "Do it."}, headers=key)
        again = await client.post("/api/task", json={"task": "Do it."}, headers=key)
        assert again.json() == first.json()
        await rig.work(first.json()["id"], begun().asked().answered("Done.").finished())
    async with served(tmp_path) as (_, client):
        later = await client.post("/api/task", json={"task": "Do it."}, headers=key)
        assert later.json() == {"id": first.json()["id"], "status": "completed"}
        other = await client.post("/api/task", json={"task": "Another."}, headers=key)
        assert (other.status_code, other.json()["error"]["code"]) == (
            409,
            "idempotency.key_reused",
        )
        assert len((await client.get("/api/tasks")).json()) == 1


@requirement("tasks:show:shape")
async def test_a_task_shows_what_really_happened(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client, "Say hello.")
        history = begun().asked().answered("I look.", [("run_command", '{"command":"ls"}')])
        history.called().returned(content="file.txt").asked().answered("Hello.", cost=12_345)
        await rig.work(id_, history.finished())
        task = (await client.get(f"/api/task/{id_}")).json()
        log = [(entry["entry_type"], entry["content"]) for entry in task.pop("log")]
        assert log == [
            ("thinking", "I look."),
            ("tool_call", "run_command {}"),
            ("tool_result", "file.txt"),
            ("response", "Hello."),
        ]
        assert task == {
            "id": id_,
            "status": "completed",
            "task": "Say hello.",
            "model": "test/model",
            "iterations": 2,
            "result": "Done.",
            "created_at": task["created_at"],
            "updated_at": task["updated_at"],
            "outcome": "succeeded",
            "reason": "done",
            "cost_cents": 2,
            "cost_microdollars": 12_345,
            "usage": {
                "input_tokens": 200,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "output_tokens": 20,
                "reasoning_tokens": 0,
            },
            "workspace": str(tmp_path / "work" / "workspaces" / f"task-{id_}"),
            "workspace_id": id_,
        }


@requirement("tasks:show:shape")
@pytest.mark.parametrize(
    ("outcome", "status", "result"),
    [
        (Outcome.SUCCEEDED, "completed", "Done."),
        (Outcome.FAILED, "failed", "Error: Done."),
        (Outcome.EXHAUSTED, "failed", "Error: Done."),
        (Outcome.CANCELLED, "cancelled", "Done."),
    ],
)
async def test_every_outcome_has_its_word(
    tmp_path: Path, outcome: Outcome, status: str, result: str
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun())
        assert (await client.get(f"/api/task/{id_}")).json()["status"] == "running"
        await rig.work(id_, History().created().message().finished(outcome))
        task = (await client.get(f"/api/task/{id_}")).json()
        assert (task["status"], task["outcome"], task["result"]) == (status, outcome, result)
        assert [e["entry_type"] for e in task["log"]] == (["error"] if status == "failed" else [])


@requirement("tasks:show:unknown")
@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/task/{}", "task.not_found"),
        ("GET", "/api/task/{}/stream", "task.not_found"),
        ("POST", "/api/task/{}/stop", "task.not_found"),
        ("GET", "/api/missions/{}/events", "mission.not_found"),
        ("GET", "/api/missions/{}/stream", "mission.not_found"),
    ],
)
async def test_an_unknown_id_is_not_found(
    unchanging: httpx2.AsyncClient, method: str, path: str, code: str
) -> None:
    for id_ in (new_uuid(), "1", "x" * 500, "%00", "%ED%A0%80", "{id}", "' OR 1=1 --", "é"):
        reply = await unchanging.request(method, path.format(id_))
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, code), id_
    for id_ in ("", "..%2f..", "a/b"):
        assert (await unchanging.request(method, path.format(id_))).status_code == 404


@requirement("tasks:list:newest-first")
async def test_tasks_are_listed_newest_first_page_by_page(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        ids = [await rig.submit(client, f"Task {number}") for number in range(5)]
        page = await client.get("/api/tasks?limit=2")
        seen: list[str] = [task["task"] for task in page.json()]
        assert all(task["log"] == [] for task in page.json())
        while link := page.links.get("next"):
            page = await client.get(link["url"])
            assert len(page.json()) <= 2
            seen += [task["task"] for task in page.json()]
        assert seen == [f"Task {number}" for number in reversed(range(5))]
        whole = await client.get("/api/tasks")
        assert [task["id"] for task in whole.json()] == ids[::-1]
        assert "link" not in whole.headers


@requirement("tasks:list:newest-first")
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=x",
        "cursor=x",
        "cursor=",
        "cursor=1.%00",
        "cursor=1.%ED%A0%80",
    ],
)
async def test_a_page_that_cannot_be_is_refused(unchanging: httpx2.AsyncClient, query: str) -> None:
    reply = await unchanging.get(f"/api/tasks?{query}")
    assert reply.status_code == 422
    assert reply.json()["error"]["code"] in ("request.invalid", "cursor.invalid")


@requirement("tasks:stats:true")
async def test_stats_count_what_the_tasks_were(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        assert (await client.get("/api/stats")).json() == {
            "total_tasks": 0,
            "active_tasks": 0,
            "completed_tasks": 0,
            "failed_tasks": 0,
            "total_cost_cents": 0,
            "success_rate": 1.0,
        }
        for outcome in Outcome:
            id_ = await rig.submit(client)
            await rig.work(id_, begun().asked().answered("Hm.", cost=5_001).finished(outcome))
        await rig.work(await rig.submit(client), begun())
        await rig.submit(client)
        assert (await client.get("/api/stats")).json() == {
            "total_tasks": 6,
            "active_tasks": 1,
            "completed_tasks": 1,
            "failed_tasks": 2,
            "total_cost_cents": 3,
            "success_rate": 1 / 3,
        }


@requirement("tasks:stop:finished")
async def test_stopping_what_is_over_changes_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun().finished())
        before = await rig.records(id_)
        reply = await client.post(f"/api/task/{id_}/stop")
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "task.not_running")
        assert await rig.records(id_) == before


@requirement("tasks:stop:answers")
@pytest.mark.parametrize("body", [None, {}])
async def test_a_stop_answers_when_the_run_has_ended(
    tmp_path: Path, body: dict[str, Any] | None
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = await rig.submit(client)
        await rig.work(id_, begun())

        async def obey() -> None:
            with rig.feed.watch(id_) as watch:
                while (await rig.records(id_))[-1].type != "cancel.requested":
                    await watch.changed(1)
            history = History().created().message().finished(Outcome.CANCELLED)
            await rig.work(id_, history)

        with anyio.fail_after(4):
            async with anyio.create_task_group() as group:
                group.start_soon(obey)
                reply = await client.post(f"/api/task/{id_}/stop", json=body)
                assert reply.json() == {"success": True, "message": "Task cancelled"}
        assert (await client.get(f"/api/task/{id_}")).json()["status"] == "cancelled"


@requirement("tasks:show:unknown")
async def test_a_mission_that_is_no_task_is_no_task(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = MissionId(new_uuid())
        created = History().created().records[0].event
        assert isinstance(created, MissionCreated)
        created = created.model_copy(update={"kind": MissionKind.MISSION})
        await rig.db.log.open_mission(id_, created, None, key=None, digest="")
        assert (await client.get(f"/api/task/{id_}")).status_code == 404
        assert (await client.get(f"/api/missions/{id_}/events")).status_code == 200
        assert (await client.get("/api/tasks")).json() == []
