"""Workspaces as clients ask for them, where nothing has to be made."""

import dataclasses
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.core.ids import new_uuid
from open_agent.testing.asgi import client_of
from tests.interaction.http.people import ANNA, BEN, MANY, client_as
from tests.interaction.http.rig import Rig, served, server
from tests.interaction.requirements import requirement


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with served(tmp_path, is_durable=False) as (_, client):
        yield client


@pytest.mark.parametrize(
    ("workspace", "code"),
    [
        ({"url": "ext::sh -c touch% /tmp/x"}, "workspace.protocol_refused"),
        ({"url": "fd::17/foo"}, "workspace.protocol_refused"),
        ({"url": "http://example.com/x.git"}, "workspace.protocol_refused"),
        ({"url": "git://example.com/x.git"}, "workspace.protocol_refused"),
        ({"url": "--upload-pack=touch /tmp/x"}, "workspace.url_invalid"),
        ({"url": "ssh://-oProxyCommand=touch/x"}, "workspace.url_invalid"),
        ({"url": "-oProxyCommand=x@host:x"}, "workspace.url_invalid"),
        ({"url": "https://example.com/x.git?token=hush"}, "workspace.url_invalid"),
        ({"url": "https://exa mple.com/x.git"}, "workspace.url_invalid"),
        ({"url": "https://example.com"}, "workspace.url_invalid"),
        ({"url": "https://example.com:port/x"}, "workspace.url_invalid"),
        ({"url": "file://elsewhere/x"}, "workspace.url_invalid"),
        ({"url": "relative/path"}, "workspace.url_invalid"),
        ({"url": "https://example.com/\nx"}, "workspace.url_invalid"),
        ({"url": "ssh://anna:hush@example.com/x"}, "workspace.url_invalid"),
        ({"url": "https://example.com/x", "ref": "--help"}, "workspace.ref_invalid"),
        ({"url": "https://example.com/x", "ref": "a..b"}, "workspace.ref_invalid"),
        ({"url": "https://example.com/x", "depth": 0}, "workspace.depth_invalid"),
        ({"url": "https://example.com/x", "branch": "new"}, "workspace.unclear"),
        ({"url": "https://example.com/x", "path": "/tmp"}, "workspace.unclear"),
        ({"kind": "clone"}, "workspace.unclear"),
        ({"kind": "worktree", "url": "https://example.com/x"}, "workspace.unclear"),
        ({"ref": "main"}, "workspace.unclear"),
        ({"repository": "relative"}, "workspace.not_absolute"),
        ({"repository": "/nowhere/at/all"}, "workspace.no_repository"),
        ({"repository": "/"}, "workspace.no_repository"),
        ({"path": "relative"}, "working_dir.not_absolute"),
    ],
)
@requirement("workspaces:made:unclear")
async def test_what_cannot_be_made_is_refused_at_once(
    client: httpx2.AsyncClient, workspace: dict[str, Any], code: str
) -> None:
    for path, body in (
        ("/api/task", {"task": "Look.", "workspace": workspace}),
        ("/api/control/missions", {"workspace": workspace}),
        ("/api/control/message", {"content": "Look.", "workspace": workspace}),
    ):
        reply = await client.post(path, json=body)
        assert reply.status_code == 422, (path, reply.text)
        assert reply.json()["error"]["code"] == code
        assert "hush" not in reply.text
    assert (await client.get("/api/workspaces")).json()["items"] == []
    assert (await client.get("/api/tasks")).json() == []


@requirement("workspaces:made:unclear")
async def test_a_workspace_that_is_not_there_or_another_kind_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    mission = (await client.post("/api/control/missions", json={})).json()
    for id_ in (mission["id"], "nothing", new_uuid()):
        for path, ask in (
            ("/api/task", {"task": "Look."}),
            ("/api/control/missions", {}),
            ("/api/control/message", {"content": "Look."}),
        ):
            reply = await client.post(path, json=ask | {"workspace": {"id": id_}})
            assert reply.status_code == 404, (path, reply.text)
            assert reply.json()["error"]["code"] == "workspace.not_found"
    both = {"task": "Look.", "working_dir": "/tmp", "workspace": {"kind": "own"}}
    reply = await client.post("/api/task", json=both)
    assert reply.json()["error"]["code"] == "workspace.unclear"


@requirement("workspaces:full")
async def test_without_room_no_workspace_begins(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        disk = rig.services.workspaces.disk
        limits = dataclasses.replace(disk.limits, reserve_bytes=2**60)
        disk.limits = limits
        await disk.look_at_disk()
        for path, body in (
            ("/api/task", {"task": "Look."}),
            ("/api/control/missions", {}),
            ("/api/workspaces", {"url": "https://example.com/x"}),
        ):
            reply = await client.post(path, json=body)
            assert reply.status_code == 507, reply.text
            assert reply.json()["error"]["code"] == "disk.full"
            assert "open-agent workspaces remove" in reply.json()["error"]["message"]
        named = {"task": "Look.", "working_dir": str(tmp_path / "named")}
        assert (await client.post("/api/task", json=named)).status_code == 200


@requirement("workspaces:full", "workspaces:listed")
async def test_all_workspaces_together_have_a_bound_and_are_shown(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        mission = (await client.post("/api/control/missions", json={})).json()
        await client.patch(f"/api/workspaces/{mission['id']}", json={"is_kept": True})
        at = datetime.fromisoformat(mission["created_at"])
        await rig.db.workspaces.measure_for_system(mission["id"], 5_000, at)
        shown = (await client.get("/api/status")).json()["disk"]
        assert shown["workspaces"] == [{"kind": "own", "count": 1, "size_bytes": 5_000}]
        assert shown["workspaces_bytes"] == 5_000

        disk = rig.services.workspaces.disk
        disk.limits = dataclasses.replace(disk.limits, total_bytes=5_000)
        await disk.look_at_disk()
        reply = await client.post("/api/task", json={"task": "Look."})
        assert reply.status_code == 507, reply.text
        assert reply.json()["error"]["details"] == {"total_bytes": 5_000}
        assert (await client.delete(f"/api/workspaces/{mission['id']}")).status_code == 200
        await disk.look_at_disk()
        assert (await client.post("/api/task", json={"task": "Look."})).status_code == 200


@requirement("access:ownership:matrix")
async def test_nobody_works_in_a_workspace_that_is_another_users(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_as(rig, BEN) as ben,
    ):
        body = {"url": (tmp_path / "nothing").as_uri()}
        made = await anna.post("/api/workspaces", json=body)
        assert made.status_code == 202, made.text
        for client, status in ((ben, 404), (anna, 200)):
            chosen = {"id": made.json()["id"]}
            for path, ask in (
                ("/api/task", {"task": "Look."}),
                ("/api/control/missions", {}),
                ("/api/control/message", {"content": "Look."}),
            ):
                reply = await client.post(path, json=ask | {"workspace": chosen})
                assert reply.status_code == status, reply.text
        listed = (await ben.get("/api/workspaces")).json()
        assert listed["items"] == []


@requirement("workspaces:listed")
async def test_what_is_taken_is_shown_to_whom_it_concerns(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_of(rig.app) as nobody,
    ):
        assert await _disk(rig, anna) == {
            "workspaces": [],
            "workspaces_bytes": None,
            "blobs_bytes": None,
            "database_bytes": None,
            "free_bytes": None,
        }
        health = (await nobody.get("/api/health")).json()
        assert health["isolation"] == "host"
        assert len(health["warnings"]) == 1


async def _disk(rig: Rig, client: httpx2.AsyncClient) -> dict[str, Any]:
    del rig
    return (await client.get("/api/status")).json()["disk"]
