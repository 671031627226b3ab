"""`/mcp`: the server itself for MCP clients, and for nobody who may not."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError

from open_agent.core.ids import MissionId, new_uuid
from open_agent.events.model.answer import AnswerRequested
from open_agent.mcp.servers.http import MOST_SESSIONS
from open_agent.server.mcp.endpoint import MOST_CALLERS
from open_agent.testing.asgi import client_of
from tests.histories import begun
from tests.interaction.http.mcp_client import (
    ERAS,
    HEADERS,
    INITIALIZE,
    SESSION,
    Era,
    open_session,
    ping,
    tools_of,
)
from tests.interaction.http.people import ANNA, BEN, CHANNELS, MANY, Channel, client_as
from tests.interaction.http.rig import TOKEN, Rig, served, server
from tests.interaction.requirements import requirement

TOOLS = [
    "submit_task",
    "read_progress",
    "send_message",
    "answer_question",
    "stop",
    "list_tasks",
    "list_missions",
]


async def types_of(rig: Rig, mission_id: str) -> list[str]:
    return [record.type for record in await rig.records(MissionId(mission_id))]


WRITES: dict[str, dict[str, Any]] = {
    "submit_task": {"task": "Do it."},
    "send_message": {"content": "Hello."},
    "answer_question": {"question_id": "1", "answer": "allow"},
    "stop": {"id": new_uuid()},
}

pytestmark = pytest.mark.timeout(30)


@requirement("mcp-servers:http:tools")
@pytest.mark.parametrize("era", ERAS)
async def test_a_task_is_handed_over_followed_and_stopped(tmp_path: Path, era: Era) -> None:
    async with served(tmp_path, is_durable=False) as (rig, http), tools_of(http, era) as tools:
        assert await tools.names() == TOOLS
        task = await tools.call("submit_task", task="Do it.", idempotency_key="one")
        assert task["status"] == "pending"
        again = await tools.call("submit_task", task="Do it.", idempotency_key="one")
        assert again["id"] == task["id"]
        first = await tools.call("read_progress", id=task["id"])
        assert [(line["type"], line["text"]) for line in first["log"]] == [("message", "Do it.")]
        assert (first["run"], first["result"], first["is_more"]) == ("queued", None, False)
        listed = await tools.call("list_tasks")
        assert [each["id"] for each in listed["items"]] == [task["id"]]
        await rig.work(MissionId(task["id"]), begun().asked().answered("Done.").finished())
        ended = await tools.call("read_progress", id=task["id"], cursor=first["cursor"])
        assert [line["type"] for line in ended["log"]] == ["response", "run_finished"]
        assert (ended["status"], ended["outcome"]) == ("completed", "succeeded")
        assert ended["result"]
        assert "task.not_running" in await tools.refused("stop", id=task["id"])
        other = await tools.call("submit_task", task="And this.")
        stopping = asyncio.create_task(tools.call("stop", id=other["id"]))
        with anyio.fail_after(5):
            while "cancel.requested" not in await types_of(rig, other["id"]):
                await anyio.sleep(0.005)
        stopping.cancel()


@requirement("mcp-servers:http:progress")
async def test_progress_is_waited_for_and_read_by_cursor(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, http), tools_of(http) as tools:
        task = MissionId((await tools.call("submit_task", task="Do it."))["id"])
        cursor = (await tools.call("read_progress", id=task))["cursor"]
        history = begun().asked()
        seen: list[dict[str, Any]] = []

        async def read() -> None:
            seen.append(await tools.call("read_progress", id=task, cursor=cursor, wait_seconds=20))

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            while not rig.feed.watchers:
                await anyio.sleep(0.001)
            await rig.work(task, history.answered("Thought of it. " * 2000))
        (progress,) = seen
        (line,) = [line for line in progress["log"] if line["type"] == "response"]
        assert "characters left out" in line["text"]
        assert len(line["text"]) < 2_200
        assert progress["cursor"] > cursor
        too_far = await tools.refused("read_progress", id=task, cursor=10**6)
        assert "cursor.invalid" in too_far


@requirement("mcp-servers:http:tools")
async def test_a_mission_is_begun_spoken_to_and_answered(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, http), tools_of(http) as tools:
        sent = await tools.call("send_message", content="Build a boat.")
        mission = MissionId(sent["mission_id"])
        more = await tools.call("send_message", content="A small one.", mission_id=mission)
        assert (more["mission_id"], more["is_queued"]) == (mission, True)
        (listed,) = (await tools.call("list_missions"))["items"]
        assert (listed["id"], listed["title"]) == (mission, "Build a boat.")
        for record in begun().asked().answered("", [("run_command", "{}")]).records[2:]:
            await rig.append(mission, record.event)
        await rig.append(mission, QUESTION)
        progress = await tools.call("read_progress", id=mission)
        (question,) = progress["questions"]
        assert (question["id"], question["tool"]) == ("approve:c1-0", "run_command")
        assert question["asks"] == {"command": "rm x"}
        answer = {"question_id": question["id"], "mission_id": mission}
        assert "answer.invalid" in await tools.refused("answer_question", **answer, answer=5)
        await tools.call("answer_question", **answer, answer="allow")
        assert (await tools.call("read_progress", id=mission))["questions"] == []
        assert "answer.late" in await tools.refused("answer_question", **answer, answer="deny")


QUESTION = AnswerRequested.model_validate(
    {
        "call_id": "c1-0",
        "name": "run_command",
        "kind": "approval",
        "arguments": {"command": "rm x"},
        "until": "2100-01-01T00:00:00Z",
        "default": "deny",
    }
)


@requirement("mcp-servers:http:owner")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_nobody_reaches_anothers_work(tmp_path: Path, channel: Channel) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA, channel) as anna,
        client_as(rig, BEN, channel) as ben,
        tools_of(anna) as annas,
        tools_of(ben) as bens,
    ):
        task = (await annas.call("submit_task", task="A secret of anna's."))["id"]
        mission = (await annas.call("send_message", content="A secret of anna's."))["mission_id"]
        nobodys = new_uuid()
        for id_ in (task, mission):
            for tool, arguments in (
                ("read_progress", {"id": id_}),
                ("read_progress", {"id": id_, "wait_seconds": 5}),
                ("stop", {"id": id_}),
                ("send_message", {"content": "Hello.", "mission_id": id_}),
                ("answer_question", {"question_id": "c", "answer": 1, "mission_id": id_}),
            ):
                theirs = await bens.refused(tool, **arguments)
                like = {k: nobodys if v == id_ else v for k, v in arguments.items()}
                assert theirs == (await bens.refused(tool, **like)).replace(nobodys, id_)
        assert (await bens.call("list_tasks"))["items"] == []
        assert (await bens.call("list_missions"))["items"] == []
        assert (await annas.call("list_tasks"))["items"][0]["id"] == task
        owned = await rig.db.missions.get_for_system(MissionId(task))
        assert owned.owner_id == ANNA.id


@requirement("mcp-servers:http:sessions")
async def test_a_session_is_good_for_nothing_to_anybody_else(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_as(rig, ANNA, "key") as annas_key,
        client_as(rig, BEN) as ben,
        client_of(rig.app) as nobody,
    ):
        session = await open_session(anna)
        assert len(session) >= 32
        assert session != await open_session(anna)
        assert (await ping(anna, session)).status_code == 200
        assert (await ping(nobody, session)).status_code == 401
        for other in (ben, annas_key):
            theirs, unknown = await ping(other, session), await ping(other, new_uuid())
            assert (theirs.status_code, theirs.content) == (404, unknown.content)
            ended = await other.delete("/mcp", headers={SESSION: session})
            assert ended.status_code == 404
        assert (await ping(anna, session)).status_code == 200
        assert (await anna.delete("/mcp", headers={SESSION: session})).status_code == 200
        assert (await ping(anna, session)).status_code == 404


@requirement("mcp-servers:http:scopes")
@pytest.mark.parametrize("era", ERAS)
async def test_a_key_that_reads_changes_nothing(tmp_path: Path, era: Era) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        made = await owner.post("/api/keys", json={"name": "reader", "scope": "read"})
        task = await rig.submit(owner)
        async with client_of(rig.app, token=made.json()["key"]) as http:
            # It may still not change anything in any other way.
            assert (await http.post("/api/task", json={"task": "x"})).status_code == 403
            async with tools_of(http, era) as tools:
                assert await tools.names() == TOOLS
                assert (await tools.call("read_progress", id=task))["id"] == task
                assert len((await tools.call("list_tasks"))["items"]) == 1
                for tool, arguments in WRITES.items():
                    assert "token.scope_missing" in await tools.refused(tool, **arguments)
        assert await types_of(rig, task) == ["mission.created", "message.received"]


@requirement("mcp-servers:http:sessions")
async def test_a_session_ends_with_its_key(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        made = (await owner.post("/api/keys", json={"name": "short"})).json()
        async with client_of(rig.app, token=made["key"]) as http:
            session = await open_session(http)
            task = await rig.submit(http)
            headers = {**HEADERS, SESSION: session}
            wait = {"id": task, "cursor": 2, "wait_seconds": 60}
            params = {"name": "read_progress", "arguments": wait}
            call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
            async with (
                http.stream("GET", "/mcp", headers=headers) as stream,
                http.stream("POST", "/mcp", json=call, headers=headers) as waiting,
            ):
                assert (stream.status_code, waiting.status_code) == (200, 200)
                assert (await owner.delete(f"/api/keys/{made['id']}")).status_code in (200, 204)
                with anyio.fail_after(5):
                    async for _ in stream.aiter_raw():
                        pass
                    said = b"".join([piece async for piece in waiting.aiter_raw()])
                assert b"result" not in said
            assert (await ping(http, session)).status_code == 401


@requirement("mcp-servers:http:sessions")
@pytest.mark.parametrize("era", ERAS)
async def test_a_waiting_call_ends_with_its_key(tmp_path: Path, era: Era) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        made = (await owner.post("/api/keys", json={"name": "short"})).json()
        async with client_of(rig.app, token=made["key"]) as http, tools_of(http, era) as tools:
            wait = {"id": await rig.submit(http), "cursor": 2, "wait_seconds": 60}
            failed = anyio.Event()

            async def read() -> None:
                with pytest.raises(MCPError):
                    await tools.raw("read_progress", **wait)
                failed.set()

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                while not rig.feed.watchers:
                    await anyio.sleep(0.001)
                await owner.delete(f"/api/keys/{made['id']}")
                with anyio.fail_after(5):
                    await failed.wait()


@requirement("mcp-servers:http:sessions")
async def test_there_is_an_end_to_sessions(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        sessions = [await open_session(owner) for _ in range(MOST_SESSIONS)]
        refused = await owner.post("/mcp", json=INITIALIZE, headers=HEADERS)
        assert refused.status_code == 503
        await owner.delete("/mcp", headers={SESSION: sessions[0]})
        assert (await ping(owner, await open_session(owner))).status_code == 200
        # Another caller has sessions of their own, and those who come make room of the idle.
        for number in range(MOST_CALLERS + 3):
            made = await owner.post("/api/keys", json={"name": f"key {number}"})
            async with client_of(rig.app, token=made.json()["key"]) as http:
                await open_session(http)
        assert (await ping(owner, sessions[1])).status_code == 404


@requirement("mcp-servers:http:perimeter")
async def test_no_page_of_another_site_and_no_other_name_gets_in(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA, "cookie") as http,
    ):
        evil: list[tuple[dict[str, str], int]] = [
            ({"Host": "evil.test"}, 421),
            ({"Host": "127.0.0.1.evil.test:3000"}, 421),
            ({"Origin": "http://evil.test"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:3001"}, 403),
            ({"Content-Type": "text/plain"}, 415),
            ({"Cookie": "open_agent_session=forged"}, 401),
        ]
        assert (await http.post("/mcp", json=INITIALIZE, headers=HEADERS)).status_code == 200
        for headers, status in evil:
            for version in ({}, {"Mcp-Protocol-Version": "2026-07-28"}):
                sent = {**HEADERS, **headers, **version}
                reply = await http.post("/mcp", json=INITIALIZE, headers=sent)
                assert reply.status_code == status, (headers, reply.text)
                assert SESSION not in reply.headers
                assert "serverInfo" not in reply.text
        del http.headers["Origin"]
        assert (await http.post("/mcp", json=INITIALIZE, headers=HEADERS)).status_code == 403
        large = {**INITIALIZE, "params": {"x": "y" * (3 * 1024 * 1024)}}
        async with client_of(rig.app, token=TOKEN) as owner:
            sent = await owner.post("/mcp", json=large, headers=HEADERS)
            assert sent.status_code == 413


@requirement("mcp-servers:http:hostile")
@pytest.mark.parametrize("version", ["", "2025-06-18", "2026-07-28", "nonsense"])
async def test_what_is_no_message_is_answered_and_harms_nobody(
    tmp_path: Path, version: str
) -> None:
    bodies = [
        b"", b"garbage", b"[]", b"null", b"\xff", b"{}", b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"no/such"}', b'{"jsonrpc":"2.0","id":{},"method":"x"}',
        rb'{"jsonrpc":"2.0","id":1,"method":"\ud800"}', b'{"jsonrpc":"1.0","id":1,"method":"ping"}',
    ]  # fmt: skip
    sent = {**HEADERS, "Content-Type": "application/json"}
    sent |= {"Mcp-Protocol-Version": version} if version else {}
    async with served(tmp_path, is_durable=False) as (_, http):
        for body in bodies:
            reply = await http.post("/mcp", content=body, headers=sent)
            assert 400 <= reply.status_code < 500, (body[:40], reply.status_code, reply.text)
            assert "Traceback" not in reply.text
        for method in ("GET", "DELETE"):
            assert (await http.request(method, "/mcp", headers=sent)).status_code in (400, 405)
        assert (await http.request("PATCH", "/mcp")).status_code == 405
        async with tools_of(http) as tools:
            assert await tools.names() == TOOLS


@requirement("mcp-servers:http:drain")
async def test_streams_and_waiting_calls_end_when_the_server_stops(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, http):
        session = await open_session(http)
        task = await rig.submit(http)
        headers = {**HEADERS, SESSION: session}
        wait = {"id": task, "wait_seconds": 60, "cursor": 2}
        params = {"name": "read_progress", "arguments": wait}
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params}
        async with (
            http.stream("GET", "/mcp", headers=headers) as stream,
            http.stream("POST", "/mcp", json=call, headers=headers) as waiting,
        ):
            while not rig.feed.watchers:
                await anyio.sleep(0.001)
            rig.feed.close()
            with anyio.fail_after(5):
                said = b"".join([piece async for piece in waiting.aiter_raw()])
                async for _ in stream.aiter_raw():
                    pass
        assert b'"result"' in said
        refused = await http.post("/mcp", json=INITIALIZE, headers=HEADERS)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "mcp.unavailable")


@requirement("mcp-servers:http:cheap")
def test_the_protocol_is_not_imported_before_somebody_speaks_it() -> None:
    look = "import sys, open_agent.composition.servers; print('mcp' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True)
    assert said.stdout == b"False\n"
