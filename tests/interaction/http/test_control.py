"""Missions: speaking to them, their queues, their status, and what becomes of them."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.core.ids import CallId, MessageId, MissionId, new_uuid
from open_agent.core.run import Outcome
from open_agent.events.model.answer import AnswerRequested
from open_agent.events.model.queue import MessageMoved
from open_agent.events.model.tool import ToolCalled, ToolReturned
from tests.histories import START, begun
from tests.interaction.http.rig import OWNER, Rig, served
from tests.interaction.requirements import requirement

CONTROL = "/api/control"


async def send(
    client: httpx2.AsyncClient, content: str = "Do it.", **fields: Any
) -> dict[str, Any]:
    """Send a message; what it was answered with."""
    reply = await client.post(f"{CONTROL}/message", json={"content": content, **fields})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def mission_of(client: httpx2.AsyncClient, id_: str) -> dict[str, Any]:
    """A mission as clients see it."""
    return (await client.get(f"{CONTROL}/missions/{id_}")).json()


async def start_run(rig: Rig, id_: str) -> None:
    """Begin a run with every message that waits."""
    await rig.append(MissionId(id_), begun().records[2].event)


async def end_run(rig: Rig, id_: str, outcome: Outcome = Outcome.SUCCEEDED) -> None:
    """End the run."""
    await rig.append(MissionId(id_), begun().finished(outcome).records[-1].event)


@requirement("control:message:current")
async def test_a_message_makes_a_mission_and_the_next_goes_to_it(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        assert (await client.get(f"{CONTROL}/missions/current")).json() is None
        first = await send(client, "  Build a boat.\nOf wood. ")
        second = await send(client, "Paint it.")
        assert first["mission_id"] == second["mission_id"]
        current = (await client.get(f"{CONTROL}/missions/current")).json()
        assert (current["id"], current["title"]) == (first["mission_id"], "Build a boat.")
        assert [each["content"] for each in current["history"]] == [
            "Build a boat.\nOf wood.",
            "Paint it.",
        ]
        other = (await client.post(f"{CONTROL}/missions")).json()
        assert (await send(client))["mission_id"] == other["id"]
        named = await send(client, mission_id=first["mission_id"])
        assert named["mission_id"] == first["mission_id"]
        assert (await client.get(f"{CONTROL}/missions/current")).json()["id"] == other["id"]


@requirement("control:message:idempotent")
async def test_a_key_sends_once(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        first = await send(client, key="k1")
        assert (await send(client, key="k1"))["id"] == first["id"]
        headers = {"Idempotency-Key": "k1"}
        body = {"content": "Do it."}
        again = await client.post(f"{CONTROL}/message", json=body, headers=headers)
        assert again.json()["id"] == first["id"]
        other = await client.post(f"{CONTROL}/message", json={"content": "Else.", "key": "k1"})
        assert (other.status_code, other.json()["error"]["code"]) == (
            409,
            "idempotency.key_reused",
        )
        assert (await mission_of(client, first["mission_id"]))["messages"] == 1


@requirement("control:message:truthful")
async def test_the_reply_says_whether_a_message_waits(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        first = await send(client)
        assert first["queued"] is False
        assert (await send(client))["queued"] is True
        await start_run(rig, first["mission_id"])
        assert (await send(client))["queued"] is True
        assert (await send(client, delivery="steer"))["queued"] is False
        blank = await client.post(f"{CONTROL}/message", json={"content": " \n"})
        assert blank.status_code == 400
        assert blank.json()["error"]["message"] == "content is required"
        unknown = {"content": "Hi.", "mission_id": new_uuid()}
        assert (await client.post(f"{CONTROL}/message", json=unknown)).status_code == 404


@requirement("control:queue:changes")
async def test_a_queue_is_paged_however_often_it_was_reordered(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        sent = [await send(client, f"message {n}") for n in range(3)]
        path = f"{CONTROL}/missions/{sent[0]['mission_id']}/queue"
        first, second, last = (MessageId(each["id"]) for each in sent)
        for number in range(900):
            moved = MessageMoved(message_id=(first, second)[number % 2], before=last, by=OWNER)
            mission_id = MissionId(sent[0]["mission_id"])
            await rig.db.log.append_external(mission_id, moved, key=new_uuid(), owner=OWNER)
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while len(seen) < 3:
            page = (await client.get(path, params={"limit": 1, **cursor})).json()
            seen += [each["id"] for each in page["items"]]
            cursor = {"cursor": page["next"]}
        assert seen == [first, second, last]


@requirement("control:message:current")
async def test_a_message_survives_the_deletion_of_what_was_current(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (rig, client):
        old = (await client.post(f"{CONTROL}/missions")).json()["id"]
        append = rig.log.real.append_external

        async def delete_first(*args: Any, **kwargs: Any) -> Any:
            rig.log.take_away("append_external")
            assert (await client.delete(f"{CONTROL}/missions/{old}")).status_code == 200
            return await append(*args, **kwargs)

        rig.log.put("append_external", delete_first)
        assert (await send(client))["mission_id"] != old


@requirement("control:queue:changes")
async def test_waiting_messages_are_edited_moved_and_removed(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        sent = [await send(client, f"message {n}") for n in range(4)]
        id_ = sent[0]["mission_id"]
        path = f"{CONTROL}/missions/{id_}/queue"
        ids = [each["id"] for each in sent]
        await client.patch(f"{path}/{ids[1]}", json={"content": "another"})
        moved = await client.patch(f"{path}/{ids[3]}", json={"before": ids[0]})
        assert moved.json() == {"ok": True}
        assert (await client.delete(f"{path}/{ids[2]}")).json() == {"ok": True}
        queue = (await client.get(path)).json()
        shown = [(each["id"], each["content"]) for each in queue["items"]]
        assert shown == [(ids[3], "message 3"), (ids[0], "message 0"), (ids[1], "another")]
        assert (queue["next"], queue["is_held"]) == (None, False)
        first = (await client.get(path, params={"limit": 2})).json()
        rest = (await client.get(path, params={"cursor": first["next"]})).json()
        assert first["items"] + rest["items"] == queue["items"]
        history = (await mission_of(client, id_))["history"]
        assert [each["content"] for each in history] == ["message 0", "another", "message 3"]
        await start_run(rig, id_)
        for reply in (
            await client.patch(f"{path}/{ids[0]}", json={"content": "late"}),
            await client.delete(f"{path}/{ids[0]}"),
            await client.patch(f"{path}/{ids[0]}", json={"before": None}),
        ):
            assert (reply.status_code, reply.json()["error"]["code"]) == (
                409,
                "message.not_waiting",
            )
        assert (await client.patch(f"{path}/{ids[0]}", json={})).status_code == 422


@requirement("control:queue:held")
async def test_a_stop_holds_the_queue_until_it_is_released(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        assert (await client.post(f"{CONTROL}/cancel")).json() == {"ok": True}
        assert (await mission_of(client, id_))["is_held"] is True
        assert (await client.get(f"{CONTROL}/running")).json() == []
        again = await client.post(f"{CONTROL}/missions/{id_}/cancel")
        assert (again.status_code, again.json()["error"]["code"]) == (404, "mission.not_running")
        # Also when nothing runs, as the original.
        assert (await client.post(f"{CONTROL}/cancel", json={})).json() == {"ok": True}
        released = await client.post(f"{CONTROL}/missions/{id_}/queue/release")
        assert released.json() == {"ok": True, "queue_len": 1}
        running = (await client.get(f"{CONTROL}/running")).json()
        assert [(each["mission_id"], each["state"]) for each in running] == [(id_, "queued")]
        assert id_ in rig.engine.woken


@requirement("control:missions:shapes")
async def test_missions_have_the_shapes_of_the_original(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        body = {"title": "One", "model_override": "some/model", "unknown": 1}
        one = (await client.post(f"{CONTROL}/missions", json=body)).json()
        assert (one["status"], one["title"], one["history"]) == ("active", "One", [])
        assert (one["model_override"], one["resumable"]) == ("some/model", False)
        two = (await client.post(f"{CONTROL}/missions")).json()
        assert "model_override" not in two
        assert "interrupted_at" not in two
        assert two["title"] is None
        listed = await client.get(f"{CONTROL}/missions", params={"limit": 1})
        assert [each["id"] for each in listed.json()] == [two["id"]]
        link = listed.headers["link"].split(">")[0].removeprefix("<")
        assert [each["id"] for each in (await client.get(link)).json()] == [one["id"]]
        await send(client, mission_id=one["id"])
        every = (await client.get(f"{CONTROL}/missions")).json()
        assert [each["id"] for each in every] == [one["id"], two["id"]]
        assert every[0]["history"] == [{"role": "user", "content": "Do it."}]
        loaded = await client.post(f"{CONTROL}/missions/{one['id']}/load", json={})
        assert loaded.json()["id"] == one["id"]
        assert (await client.get(f"{CONTROL}/missions/current")).json()["id"] == one["id"]
        renamed = await client.patch(f"{CONTROL}/missions/{one['id']}", json={"title": " New "})
        assert renamed.json()["title"] == "New"
        for path in (f"{CONTROL}/missions/{new_uuid()}", f"{CONTROL}/missions/x"):
            missing = await client.get(path)
            assert missing.status_code == 404
            assert "not found" in missing.json()["error"]["message"]
        assert (await client.post(f"{CONTROL}/missions/{new_uuid()}/load")).status_code == 404
        config = (await client.get(f"{CONTROL}/parallel/config")).json()
        assert config == {"max_parallel_missions": 4, "running_count": 1}


@requirement("control:missions:found")
async def test_missions_are_listed_lightly_and_found(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        boat = (await send(client, "Build a boat of oak."))["mission_id"]
        await client.post(f"{CONTROL}/missions")
        house = (await send(client, "Build a house."))["mission_id"]
        task = await rig.submit(client, "Build a boat too.")
        items = (await client.get("/api/missions")).json()["items"]
        assert [each["id"] for each in items] == [house, boat]
        assert "history" not in items[0]
        found = (await client.get("/api/missions", params={"q": "boat"})).json()["items"]
        assert [each["id"] for each in found] == [boat]
        assert "boat of oak" in found[0]["snippet"]
        kinds = {"q": "boat", "kind": "task"}
        found = (await client.get("/api/missions", params=kinds)).json()["items"]
        assert [each["id"] for each in found] == [task]
        await client.post(f"{CONTROL}/missions/{boat}/status", json={"status": "completed"})
        done = (await client.get("/api/missions", params={"status": "completed"})).json()
        assert [each["id"] for each in done["items"]] == [boat]
        queued = (await client.get("/api/missions", params={"state": "queued", "limit": 1})).json()
        assert (len(queued["items"]), queued["next"] is not None) == (1, True)


@requirement("control:missions:status")
async def test_the_status_is_a_persons_word_and_a_message_reopens(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        await start_run(rig, id_)
        await end_run(rig, id_)
        mission = await mission_of(client, id_)
        assert (mission["status"], mission["outcome"]) == ("active", "succeeded")
        assert mission["history"][-1] == {"role": "assistant", "content": "Done."}
        path = f"{CONTROL}/missions/{id_}/status"
        assert (await client.post(path, json={"status": "blocked"})).json() == {"ok": True}
        mission = await mission_of(client, id_)
        assert (mission["status"], mission["resumable"]) == ("blocked", True)
        assert "interrupted_at" in mission
        assert (await client.post(path, json={"status": "lost"})).status_code == 422
        await send(client)
        assert (await mission_of(client, id_))["status"] == "active"


@requirement("control:missions:resume")
async def test_what_stopped_early_is_resumed(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        path = f"{CONTROL}/missions/{id_}/resume"
        early = await client.post(path)
        assert (early.status_code, early.json()["error"]["code"]) == (
            400,
            "mission.not_resumable",
        )
        await start_run(rig, id_)
        await end_run(rig, id_, Outcome.EXHAUSTED)
        folder = Path((await mission_of(client, id_))["workspace"])
        folder.mkdir(parents=True)
        (folder / "old").touch()
        assert (await mission_of(client, id_))["resumable"] is True
        resumed = await client.post(path, json={"clean_workspace": True})
        assert resumed.status_code == 200, resumed.text
        mission = resumed.json()
        assert (mission["status"], mission["resumable"], mission["state"]) == (
            "active",
            False,
            "queued",
        )
        assert not folder.exists()
        assert "emptied" in mission["history"][-1]["content"]


@requirement("control:missions:resume")
async def test_a_directory_that_a_person_named_is_not_emptied(tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "precious").touch()
    async with served(tmp_path) as (rig, client):
        made = await client.post(f"{CONTROL}/missions", json={"working_dir": str(named)})
        id_ = made.json()["id"]
        await send(client, mission_id=id_)
        await start_run(rig, id_)
        await end_run(rig, id_, Outcome.FAILED)
        path = f"{CONTROL}/missions/{id_}/resume"
        refused = await client.post(path, json={"clean_workspace": True})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "workspace.not_ours")
        assert (await client.delete(f"{CONTROL}/missions/{id_}")).status_code == 200
        assert (named / "precious").exists()


@requirement("control:missions:resume")
async def test_resuming_twice_at_once_starts_one_run(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        await start_run(rig, id_)
        await end_run(rig, id_, Outcome.FAILED)
        path, append = f"{CONTROL}/missions/{id_}/resume", rig.log.real.append_external

        async def other_first(*args: Any, **kwargs: Any) -> Any:
            rig.log.take_away("append_external")
            assert (await client.post(path)).status_code == 200
            return await append(*args, **kwargs)

        rig.log.put("append_external", other_first)
        assert (await client.post(path)).status_code == 200
        assert len((await client.get(f"{CONTROL}/missions/{id_}/queue")).json()["items"]) == 1


@requirement("control:missions:deleted")
async def test_deleting_leaves_nothing_behind(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        path = f"{CONTROL}/missions/{id_}"
        busy = await client.delete(path)
        assert (busy.status_code, busy.json()["error"]["message"]) == (
            409,
            "Cannot delete a running mission. Cancel it first.",
        )
        await start_run(rig, id_)
        await rig.db.blobs.put(MissionId(id_), b"much")
        await end_run(rig, id_)
        folder = Path((await mission_of(client, id_))["workspace"])
        folder.mkdir(parents=True)
        (folder / "link").symlink_to(tmp_path / "data")
        assert (await client.delete(path)).json() == {
            "ok": True,
            "deleted": id_,
            "notes": [],
        }
        assert not folder.exists()
        assert (tmp_path / "data").exists()
        assert await rig.db.blobs.total_bytes(MissionId(id_)) == 0
        assert [r.type for r in await rig.records(MissionId(id_))] == ["mission.deleted"]
        assert (await client.delete(path)).status_code == 404
        assert (await client.get(f"{CONTROL}/missions/current")).json() is None
        entries = (await client.get("/api/audit")).json()["items"]
        assert (entries[0]["action"], entries[0]["target"]) == ("mission.deleted", id_)


@requirement("control:missions:deleted")
async def test_a_deletion_that_was_cut_off_is_finished_at_the_next_start(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        gone, kept = [(await client.post(f"{CONTROL}/missions")).json() for _ in range(2)]
        plans = tmp_path / "data" / "removals"
        plans.mkdir()
        for mission in (gone, kept):
            Path(mission["workspace"]).mkdir(parents=True)
            (plans / mission["id"]).write_text(mission["workspace"])
        await rig.db.blobs.put(MissionId(gone["id"]), b"much")
        await rig.db.log.delete_mission(MissionId(gone["id"]), [], by=OWNER, owner=OWNER)
        await rig.services.control.removal.finish()
        assert not Path(gone["workspace"]).exists()
        assert await rig.db.blobs.total_bytes(MissionId(gone["id"])) == 0
        assert Path(kept["workspace"]).exists()
        assert list(plans.iterdir()) == []


@requirement("control:missions:deleted")
async def test_empty_missions_are_cleaned_up(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        for title in (None, "Untitled Mission", "Kept"):
            await client.post(f"{CONTROL}/missions", json={"title": title})
        await send(client, mission_id=(await client.post(f"{CONTROL}/missions")).json()["id"])
        cleaned = await client.post(f"{CONTROL}/missions/cleanup", json={})
        assert cleaned.json() == {"ok": True, "deleted_count": 2}
        titles = {each["title"] for each in (await client.get(f"{CONTROL}/missions")).json()}
        assert titles == {"Kept", "Do it."}


@requirement("control:missions:fork")
async def test_a_fork_begins_where_it_is_told_and_starts_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client, "Count."))["mission_id"]
        await start_run(rig, id_)
        history = begun().asked().answered("I look.", [("run_command", "{}")]).called()
        for record in history.records[3:]:
            await rig.append(MissionId(id_), record.event)
        last = (await mission_of(client, id_))["last_seq"]
        path = f"{CONTROL}/missions/{id_}/fork"
        for at in range(1, last + 1):
            reply = await client.post(path, json={"at_seq": at})
            assert reply.status_code == 201, reply.text
            fork = reply.json()
            assert fork["title"] == "Count. (fork)"
            assert all(entry["content"] for entry in fork["history"])
            assert (fork["cost_cents"], fork["state"] in ("idle", "finished")) == (0, True)
            assert fork["workspace"] != (await mission_of(client, id_))["workspace"]
            records = await rig.db.log.read(MissionId(fork["id"]))
            mine = await rig.db.log.read(MissionId(id_))
            assert [r.event for r in records[1:at]] == [r.event for r in mine[1:at]]
            returned = [r.event for r in records if isinstance(r.event, ToolReturned)]
            outcomes = {last: ["unknown"], last - 1: ["cancelled"]}
            assert [event.outcome for event in returned] == outcomes.get(at, [])
        assert (await client.post(path, json={"at_seq": last + 99})).status_code == 422
        # The run that is copied still belongs to the mission where it happened.
        runs = (await client.get("/api/runs")).json()["runs"]
        assert [(run["mission_id"], run["status"]) for run in runs] == [(id_, "running")]


async def ask(rig: Rig, id_: str, kind: str, arguments: dict[str, Any]) -> None:
    """Let the run ask a person."""
    history = begun().asked().answered("", [("ui_optionList", "{}")])
    for record in history.records[3:]:
        await rig.append(MissionId(id_), record.event)
    question = AnswerRequested.model_validate(
        {
            "call_id": "c1-0",
            "name": "ui_optionList" if kind == "input" else "run_command",
            "kind": kind,
            "arguments": arguments,
            "until": START.replace(year=2100),
            "default": None if kind == "input" else "deny",
        }
    )
    if kind == "input":
        called = ToolCalled(
            call_id=CallId("c1-0"), name="ui_optionList", effect="ask", arguments=arguments
        )
        await rig.append(MissionId(id_), called)
    await rig.append(MissionId(id_), question)


@requirement("control:answers:first")
async def test_an_answer_is_late_when_the_run_ends_meanwhile(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        await start_run(rig, id_)
        await ask(rig, id_, "approval", {"command": "rm x"})
        append = rig.log.real.append_external

        async def end_first(*args: Any, **kwargs: Any) -> Any:
            await end_run(rig, id_, Outcome.CANCELLED)
            return await append(*args, **kwargs)

        rig.log.put("append_external", end_first)
        body = {"tool_call_id": "approve:c1-0", "name": "x", "result": "allow"}
        assert (await client.post(f"{CONTROL}/tool_result", json=body)).status_code == 409


@requirement("control:answers:first")
@pytest.mark.parametrize(
    ("kind", "right", "wrong"), [("input", "a", "z"), ("approval", "allow", 1)]
)
async def test_the_first_answer_counts(tmp_path: Path, kind: str, right: Any, wrong: Any) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        await start_run(rig, id_)
        options = {"options": [{"id": "a", "label": "A"}], "selectionMode": "single"}
        await ask(rig, id_, kind, options if kind == "input" else {"command": "rm x"})
        (question,) = (await client.get(f"{CONTROL}/questions")).json()
        call_id = "c1-0" if kind == "input" else "approve:c1-0"
        assert (question["tool_call_id"], question["mission_id"]) == (call_id, id_)

        async def answer(result: Any, call: str = call_id) -> int:
            body = {"tool_call_id": call, "name": "ui_optionList", "result": result}
            return (await client.post(f"{CONTROL}/tool_result", json=body)).status_code

        assert await answer(right, "c9") == 404
        other_kind = "approve:c1-0" if kind == "input" else "c1-0"
        assert await answer("allow", other_kind) == 404
        lone_surrogate = await client.post(
            f"{CONTROL}/tool_result",
            content=rb'{"tool_call_id": "\ud800", "name": "x", "result": 1}',
            headers={"Content-Type": "application/json"},
        )
        assert lone_surrogate.json()["error"]["code"] == "answer.unknown"
        assert await answer(wrong) == 422
        assert await answer(right) == 200
        assert await answer(right) == 409
        assert (await client.get(f"{CONTROL}/questions")).json() == []
        await end_run(rig, id_)
        assert await answer(right) == 409
        for missing in ("tool_call_id", "name"):
            body = {"tool_call_id": "c", "name": "n", "result": 1, missing: " "}
            reply = await client.post(f"{CONTROL}/tool_result", json=body)
            assert (reply.status_code, reply.json()["error"]["message"]) == (
                400,
                f"{missing} is required",
            )


@requirement("control:answers:first")
async def test_the_question_of_a_task_is_answered_where_it_was_asked(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await client.post("/api/task", json={"task": "Do it."})).json()["id"]
        await start_run(rig, id_)
        await ask(rig, id_, "approval", {"command": "rm x"})
        (question,) = (await client.get(f"{CONTROL}/questions")).json()
        body = {name: question[name] for name in ("tool_call_id", "name", "mission_id")}
        for status in (200, 409):
            reply = await client.post(f"{CONTROL}/tool_result", json={**body, "result": "deny"})
            assert reply.status_code == status, reply.text


@requirement("control:tree:true")
async def test_tree_and_progress_follow_the_plan(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        assert (await client.get(f"{CONTROL}/tree")).json() is None
        assert (await client.get(f"{CONTROL}/progress")).json()["total_subtasks"] == 0
        id_ = (await send(client))["mission_id"]
        await start_run(rig, id_)
        items = [
            {"content": "Look", "state": "completed"},
            {"content": "Write", "state": "in_progress"},
            {"content": "Test", "state": "pending"},
        ]
        called = ToolCalled(
            call_id=CallId("c1"), name="update_plan", effect="read", arguments={"items": items}
        )
        await rig.append(MissionId(id_), called)
        tree = (await client.get(f"{CONTROL}/tree")).json()
        assert tree == (await client.get(f"{CONTROL}/missions/{id_}/tree")).json()
        assert (tree["id"], tree["type"], tree["node_type"]) == (id_, "Mission", "Mission")
        assert (tree["status"], tree["budget_allocated"]) == ("running", 1000)
        shown = [(node["name"], node["status"]) for node in tree["children"]]
        assert shown == [("Look", "completed"), ("Write", "running"), ("Test", "pending")]
        progress = (await client.get(f"{CONTROL}/progress")).json()
        assert progress == {
            "total_subtasks": 3,
            "completed_subtasks": 1,
            "current_subtask": "Write",
            "current_depth": 1,
        }
        await end_run(rig, id_)
        tree = (await client.get(f"{CONTROL}/missions/{id_}/tree")).json()
        assert tree["status"] == "completed"
        assert [node["status"] for node in tree["children"]] == ["completed", "pending", "pending"]


@requirement("control:runs:shapes")
async def test_runs_have_the_shapes_of_the_original(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client, "Count to three."))["mission_id"]
        await start_run(rig, id_)
        history = begun().asked().answered("One.", cost=12_345)
        for record in history.records[3:]:
            await rig.append(MissionId(id_), record.event)
        await end_run(rig, id_)
        page = (await client.get("/api/runs", params={"limit": 5})).json()
        assert (page["limit"], page["offset"]) == (5, 0)
        (run,) = page["runs"]
        assert (run["input_text"], run["final_output"]) == ("Count to three.", "Done.")
        assert (run["status"], run["total_cost_cents"]) == ("completed", 2)
        assert (await client.get(f"/api/runs/{run['id']}")).json() == run
        events = (await client.get(f"/api/runs/{run['id']}/events")).json()["events"]
        kinds = [event["event_kind"] for event in events]
        assert kinds == ["task_start", "llm_request", "llm_response", "task_end"]
        tasks = (await client.get(f"/api/runs/{run['id']}/tasks")).json()["tasks"]
        assert [(task["id"], task["depth"]) for task in tasks] == [(id_, 0)]
        missing = await client.get(f"/api/runs/{new_uuid()}")
        assert (missing.status_code, missing.json()["error"]["message"]) == (404, "Run not found")
        found = await client.get("/api/memory/search", params={"q": "x"})
        assert found.json() == {"query": "x", "results": []}


@requirement("control:missions:stale")
async def test_what_lies_still_is_interrupted_and_never_completed(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await send(client))["mission_id"]
        waiting = (await client.post(f"{CONTROL}/missions")).json()["id"]
        await send(client, mission_id=waiting)
        await start_run(rig, id_)
        await end_run(rig, id_)
        stale = rig.services.control.stale
        assert await stale.park() == 1
        mission = await mission_of(client, id_)
        assert (mission["status"], mission["resumable"]) == ("interrupted", True)
        assert "Nothing has happened" in mission["summary"]
        assert (await mission_of(client, waiting))["status"] == "active"
        assert await stale.park() == 0
        assert (await rig.db.missions.get(MissionId(id_), owner=OWNER)).summary
