"""The registry of MCP servers over HTTP: the original's routes, and who may do what."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from tests.interaction.http.people import ANNA, BEN, CHIEF, MANY, client_as
from tests.interaction.http.rig import served, server
from tests.interaction.mcp import rig as programs
from tests.interaction.requirements import requirement

pytestmark = [pytest.mark.timeout(60)]

CANARY = "canary-of-this-test"
SMALL = str(Path(str(programs.__file__)).parent / "small_server.py")
ORIGINAL = [
    "id", "name", "transport", "endpoint", "description", "enabled", "version", "tools",
    "tool_descriptors", "created_at", "last_connected_at", "status", "error", "tool_calls",
    "tool_errors",
]  # fmt: skip


def small(**changes: Any) -> dict[str, Any]:
    """A server that is there."""
    stdio = {"command": sys.executable, "args": [SMALL], "env": {"TOKEN": CANARY}}
    return {"name": "small", "transport": {"stdio": stdio}, **changes}


async def until(
    client: httpx2.AsyncClient, id_: str, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The server's state once it is as it should be."""
    with anyio.fail_after(20):
        while not is_so(state := (await client.get(f"/api/mcp/{id_}")).json()):
            await anyio.sleep(0.02)
        return state


@requirement("mcp:registry:original")
async def test_a_server_is_added_connected_switched_and_removed_as_at_the_original(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        added = await client.post("/api/mcp", json=small(description="A small one."))
        state = added.json()
        assert list(state)[: len(ORIGINAL)] == ORIGINAL
        id_ = state["id"]
        assert (state["status"], state["tools"], state["enabled"]) == ("disconnected", [], True)
        assert state["endpoint"] == f"{sys.executable} {SMALL}"
        twice = await client.post("/api/mcp", json=small())
        assert (twice.status_code, twice.json()["error"]["code"]) == (400, "mcp.exists")

        before = (await client.post(f"/api/mcp/{id_}/refresh")).json()
        assert before["status"] == "disconnected"
        state = await until(client, id_, lambda state: state["status"] == "connected")
        assert state["version"] == "1.2.3"
        assert "add" in state["tools"]
        descriptor = next(t for t in state["tool_descriptors"] if t["name"] == "add")
        assert set(descriptor) == {"name", "description", "inputSchema"}
        assert state["last_connected_at"] is not None

        disabled = (await client.post(f"/api/mcp/{id_}/disable", json={})).json()
        assert (disabled["status"], disabled["enabled"]) == ("disabled", False)
        refused = await client.post(f"/api/mcp/{id_}/refresh")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "mcp.disabled")
        enabled = (await client.post(f"/api/mcp/{id_}/enable")).json()
        assert (enabled["status"], enabled["enabled"]) == ("disconnected", True)
        assert "add" in enabled["tools"]

        all_ = await client.post("/api/mcp/refresh")
        assert all_.json() == {"success": True, "message": "Refresh started in background"}
        await until(client, id_, lambda state: state["status"] == "connected")
        assert (await client.delete(f"/api/mcp/{id_}")).json() == {"success": True}
        assert (await client.get(f"/api/mcp/{id_}")).status_code == 404
        assert id_ not in (await client.get("/api/mcp")).text


@requirement("mcp:registry:change")
async def test_a_server_is_changed_in_place_and_keeps_its_secrets(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        id_ = (await client.post("/api/mcp", json=small())).json()["id"]
        path = f"/api/mcp/{id_}"
        changed = (await client.patch(path, json={"name": "other", "trusted": True})).json()
        assert (changed["id"], changed["name"], changed["trusted"]) == (id_, "other", True)
        stdio = {"args": [SMALL, "more"], "env": {"TOKEN": "****", "MORE": "x"}}
        changed = (await client.patch(path, json={"transport": {"stdio": stdio}})).json()
        assert changed["transport"]["stdio"] == {
            "command": sys.executable,
            "args": [SMALL, "more"],
            "env": {"TOKEN": "****", "MORE": "****"},
            "cwd": "",
        }
        kept = {
            s.name: s.value for s in await rig.db.mcp.secrets(id_, owner=programs.UserId("default"))
        }
        assert kept == {"TOKEN": CANARY, "MORE": "x"}
        gone = {"stdio": {"env": {"TOKEN": None}}}
        changed = (await client.patch(path, json={"transport": gone})).json()
        assert changed["transport"]["stdio"]["env"] == {"MORE": "****"}

        http = {
            "http": {
                "endpoint": f"https://example.com/mcp?key={CANARY}&a=b",
                "headers": {"X-Key": CANARY},
            }
        }
        changed = (await client.patch(path, json={"transport": http})).json()
        assert changed["endpoint"] == "https://example.com/mcp?key=****&a=****"
        assert changed["transport"]["http"]["headers"] == {"X-Key": "****"}
        secrets = await rig.db.mcp.secrets(id_, owner=programs.UserId("default"))
        assert {s.name: s.value for s in secrets} == {"key": CANARY, "a": "b", "X-Key": CANARY}
        changed = (await client.patch(path, json={"endpoint": changed["endpoint"]})).json()
        assert {
            s.name for s in await rig.db.mcp.secrets(id_, owner=programs.UserId("default"))
        } == {
            "key",
            "a",
            "X-Key",
        }


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": "x"}, "transport"),
    ({"name": "x", "transport": {}}, "transport"),
    ({"name": " ", "endpoint": "http://h/"}, "1 to 64"),
    ({"name": "x", "endpoint": "ftp://h/"}, "http"),
    ({"name": "x", "endpoint": "http://user:secret@h/"}, "password"),
    ({"name": "x", "transport": {"stdio": {"command": ""}}}, "command"),
    ({"name": "x", "transport": {"stdio": {"command": "a", "cwd": "b"}}}, "absolute"),
    ({"name": "x", "transport": {"stdio": {"command": "a", "env": {"A B": "c"}}}}, "variable"),
    ({"name": "x", "transport": {"stdio": {"command": "a", "env": {"A": "****"}}}}, "kept"),
    (
        {
            "name": "x",
            "transport": {"http": {"endpoint": "http://h/", "headers": {"A": "b\n"}}},
        },
        "A",
    ),
    ({"name": "x", "endpoint": "http://h/", "timeout_seconds": 99_999}, "seconds"),
]


@requirement("mcp:registry:refuses")
async def test_what_cannot_be_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        for body, said in REFUSED:
            reply = await client.post("/api/mcp", json=body)
            assert reply.status_code == 422, reply.text
            assert said in reply.json()["error"]["message"]
            assert "secret" not in reply.text


@requirement("mcp:registry:secrets")
async def test_secrets_are_in_no_answer_no_log_and_no_place_but_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(tmp_path) as (rig, client):
        id_ = (await client.post("/api/mcp", json=small())).json()["id"]
        await client.post(f"/api/mcp/{id_}/refresh")
        await until(client, id_, lambda state: state["status"] == "connected")
        owner = programs.UserId("default")
        tools = rig.services.mcp.toolboxes
        found = rig.services.mcp.directory.visible(owner)
        small_one = next(each for each in found if each.id == id_)
        with pytest.raises(programs.ServerFailed):
            await rig.services.mcp.pool.call(
                small_one, programs.Place(owner), "die", {}, lambda _: None
            )
        texts = [
            (await client.get(path)).text
            for path in ("/api/mcp", f"/api/mcp/{id_}", "/api/tools", "/api/audit", "/api/status")
        ]
        state = (await client.get(f"/api/mcp/{id_}")).json()
        assert "dying with ****" in state["stderr"]
        assert state["tool_errors"] == state["tool_calls"] == 1
        assert tools.offered(owner)
    output = capsys.readouterr()
    for text in (*texts, output.out, output.err):
        assert CANARY not in text
    data = (tmp_path / "data").rglob("*")
    holding = {p.name for p in data if p.is_file() and CANARY.encode() in p.read_bytes()}
    assert holding <= {"open-agent.db", "open-agent.db-wal"}
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@requirement("mcp:registry:rights")
async def test_what_is_for_everybody_is_configured_by_administrators_and_shown_in_part(
    tmp_path: Path,
) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, CHIEF) as chief,
        client_as(rig, ANNA) as anna,
        client_as(rig, BEN) as ben,
    ):
        id_ = (await chief.post("/api/mcp", json=small())).json()["id"]
        seen = (await anna.get(f"/api/mcp/{id_}")).json()
        assert (seen["shared"], seen["stderr"]) == (True, None)
        assert seen["transport"] == {
            "stdio": {"command": sys.executable, "args": [], "env": {}, "cwd": ""}
        }
        for method, path, body in (
            ("PATCH", "", {"name": "mine"}),
            ("DELETE", "", None),
            ("POST", "/disable", None),
        ):
            reply = await anna.request(method, f"/api/mcp/{id_}{path}", json=body)
            assert reply.status_code == 403, (method, reply.text)
        shared = await anna.post("/api/mcp", json=small(name="more", shared=True))
        assert shared.status_code == 403
        mine = (await anna.post("/api/mcp", json=small())).json()
        assert (mine["shared"], mine["name"]) == (False, "small")
        assert mine["id"] not in (await ben.get("/api/mcp")).text
        assert mine["id"] not in (await chief.get("/api/mcp")).text
        assert (await anna.post(f"/api/mcp/{id_}/refresh")).status_code == 200
        await until(anna, id_, lambda state: state["status"] == "connected")
        assert (await chief.get(f"/api/mcp/{id_}")).json()["status"] == "disconnected"
        names = [t["name"] for t in (await anna.get("/api/tools")).json()]
        assert "small_add" in names


@requirement("mcp:tools:toggle")
async def test_tools_are_switched_off_for_oneself_or_for_all_and_stay_so(tmp_path: Path) -> None:
    async with (
        server(tmp_path, rules=MANY) as rig,
        client_as(rig, CHIEF) as chief,
        client_as(rig, ANNA) as anna,
        client_as(rig, BEN) as ben,
    ):

        async def switch(client: httpx2.AsyncClient, name: str, is_on: bool) -> Any:
            return await client.post(f"/api/tools/{name}/toggle", json={"enabled": is_on})

        async def is_on(client: httpx2.AsyncClient, name: str) -> bool:
            found = {t["name"]: t["enabled"] for t in (await client.get("/api/tools")).json()}
            return found[name]

        off = await switch(anna, "web_search", False)
        assert off.json() == {"success": True, "name": "web_search", "enabled": False}
        assert (await is_on(anna, "web_search"), await is_on(ben, "web_search")) == (False, True)
        await switch(chief, "fetch_url", False)
        assert (await is_on(anna, "fetch_url"), await is_on(ben, "fetch_url")) == (False, False)
        refused = await switch(ben, "fetch_url", True)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "tool.off_for_all")
        unknown = await switch(anna, "no_such_tool", False)
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "tool.not_found")
        for body in ({}, {"enabled": "perhaps"}):
            assert (await anna.post("/api/tools/web_search/toggle", json=body)).status_code == 422
    async with server(tmp_path, rules=MANY) as rig, client_as(rig, ANNA) as anna:
        tools = {t["name"]: t for t in (await anna.get("/api/tools")).json()}
        assert [n for n, t in tools.items() if not t["enabled"]] == ["fetch_url", "web_search"]
        assert list(tools) == sorted(tools)
        assert set(tools["read_file"]) == {"name", "description", "source", "enabled"}
        assert tools["read_file"]["source"] == "builtin"


@requirement("mcp:registry:import")
async def test_servers_of_other_tools_are_taken_over_and_replace_nothing(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        await client.post("/api/mcp", json=small(name="there"))
        theirs: dict[str, Any] = {
            "there": {"command": "npx"},
            "files": {"command": "npx", "args": ["-y", "x"], "env": {"TOKEN": CANARY}},
            "far": {"type": "http", "url": "https://example.com/mcp", "headers": {"A": CANARY}},
            "off": {"command": "y", "disabled": True},
        }
        reply = await client.post("/api/mcp/import", json={"mcpServers": theirs})
        done = reply.json()
        assert CANARY not in reply.text
        assert [each["name"] for each in done["added"]] == ["files", "far", "off"]
        assert [each["name"] for each in done["skipped"]] == ["there"]
        by_name = {each["name"]: each for each in (await client.get("/api/mcp")).json()}
        assert by_name["there"]["transport"]["stdio"]["command"] == sys.executable
        assert by_name["off"]["status"] == "disabled"
        assert by_name["far"]["endpoint"] == "https://example.com/mcp"

        opencode = {"local": {"type": "local", "command": ["a", "b"], "environment": {"C": "d"}}}
        done = (await client.post("/api/mcp/import", json={"mcp": opencode})).json()
        assert done["added"][0]["transport"]["stdio"]["args"] == ["b"]


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({}, "`mcpServers`"),
    ({"mcpServers": {"ok": {"command": "x"}, "bad": {}}}, "'bad'"),
    ({"mcpServers": {"ok": {"command": "x"}, "bad": {"command": ["x", 1]}}}, "'bad'"),
    (
        {"mcpServers": {"bad": {"command": "x", "env": {"T": "${input:token}"}}}},
        "${input:token}",
    ),
    ({"mcpServers": {"bad": {"type": "sse", "url": "http://h/"}}}, "server-sent"),
    ({"servers": [{"name": "a", "command": "x"}, {"name": "a", "command": "y"}]}, "two"),
]


@requirement("mcp:registry:import")
async def test_what_cannot_be_understood_is_refused_as_a_whole(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        before = (await client.get("/api/mcp")).json()
        for value, said in BROKEN:
            reply = await client.post("/api/mcp/import", json=value)
            assert reply.status_code == 422
            assert reply.json()["error"]["code"] == "mcp.import_unreadable"
            assert said in reply.json()["error"]["message"]
        assert (await client.get("/api/mcp")).json() == before


@requirement("mcp:registry:first-start")
async def test_the_originals_file_is_taken_over_once_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "work" / ".openagent" / "mcp" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text("{broken")
    async with served(tmp_path) as (_, client):
        names = [each["name"] for each in (await client.get("/api/mcp")).json()]
        assert names == ["host", "desktop", "playwright"]
        desktop = (await client.get("/api/mcp")).json()[1]
        assert (desktop["enabled"], desktop["per_mission"]) == (False, True)
        await client.delete(f"/api/mcp/{desktop['id']}")
    assert path.read_text() == "{broken"
    id_ = "6b7f4a5e-0000-4000-8000-000000000001"
    theirs: dict[str, Any] = {
        "description": None,
        "version": None,
        "tools": [],
        "created_at": "2025-01-01T00:00:00Z",
    }
    program = {"stdio": {"command": "x", "args": ["y"], "env": {"T": "z"}}}
    original = json.dumps([
        {"id": id_, "name": "mine", "transport": program, "enabled": True, **theirs},
        {"name": "host", "transport": {"stdio": {"command": "/w/host-mcp"}}, "enabled": True},
    ])  # fmt: skip
    path.write_text(original)
    async with served(tmp_path) as (_, client):
        found = {each["name"]: each for each in (await client.get("/api/mcp")).json()}
        assert sorted(found) == ["host", "mine", "playwright"]
        assert not found["host"]["enabled"]
        assert found["mine"]["id"] == id_
        assert found["mine"]["shared"]
        await client.delete(f"/api/mcp/{id_}")
    async with served(tmp_path) as (_, client):
        names = [each["name"] for each in (await client.get("/api/mcp")).json()]
        assert names == ["host", "playwright"]
    assert path.read_text() == original


@requirement("mcp:registry:reading")
async def test_resources_and_prompts_are_read_over_http(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        id_ = (await client.post("/api/mcp", json=small())).json()["id"]
        resources = (await client.get(f"/api/mcp/{id_}/resources")).json()
        assert resources["resources"][0]["uri"] == "notes://all"
        read = await client.get(f"/api/mcp/{id_}/resources/read", params={"uri": "notes://all"})
        assert read.json() == {"uri": "notes://all", "text": "notes:", "images": 0}
        prompts = (await client.get(f"/api/mcp/{id_}/prompts")).json()
        assert prompts["prompts"][0]["name"] == "greet"
        filled = await client.post(
            f"/api/mcp/{id_}/prompts/greet", json={"arguments": {"name": "Ben"}}
        )
        assert "Say hello to Ben." in filled.text
        missing = await client.get(f"/api/mcp/{id_}/resources/read", params={"uri": "no://such"})
        assert (missing.status_code, missing.json()["error"]["code"]) == (503, "mcp.failed")
