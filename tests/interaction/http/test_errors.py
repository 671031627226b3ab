"""What goes wrong, as clients see it."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from open_agent.core.actor import Actor
from open_agent.server.http import create_app
from open_agent.services.stats import Stats
from open_agent.store.missions import MissionTotal
from open_agent.testing.asgi import client_of
from tests.interaction.http.rig import TOKEN, served, server
from tests.interaction.requirements import requirement

JSON = {"Content-Type": "application/json"}
STRANGE = [
    r"\ud800",
    r"a\udfffb",
    r"\u0000",
    r"/a\u0000b",
    r"/\udc80",
    "\u202e",
    "e\u0301",
    "x" * 300,
]


@requirement("access:errors:shape")
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "route.not_found"),
        ("GET", "/api/tasks/", 404, "route.not_found"),
        ("DELETE", "/api/tasks", 405, "route.method_not_allowed"),
        ("GET", "/api/task", 405, "route.method_not_allowed"),
        ("GET", "/api/tasks?limit=no", 422, "request.invalid"),
        ("GET", "/api/tasks?cursor=no", 422, "cursor.invalid"),
        ("POST", "/api/task", 415, "request.not_json"),
    ],
)
async def test_every_error_has_the_same_shape(
    unchanging: httpx2.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    reply = await unchanging.request(method, path)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["error"]
    assert list(error) == ["code", "message", "details"]
    assert (status == 405) == ("allow" in reply.headers)


@requirement("access:errors:shape")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"task": "Do it."} and more',
        b'{"task": "\xff"}',
        b"[" * 500_000,
        b'{"a":' * 200_000,
        b"1" * 10_000,
        b"\x00",
        b"\xef\xbb\xbf",
    ],
)
async def test_what_is_not_json_is_malformed(unchanging: httpx2.AsyncClient, body: bytes) -> None:
    reply = await unchanging.post("/api/task", content=body, headers=JSON)
    assert reply.status_code in (400, 422)
    assert reply.json()["error"]["code"] in ("request.malformed", "request.invalid")


@requirement("access:errors:shape")
async def test_no_text_makes_the_server_fail(
    unchanging: httpx2.AsyncClient, tmp_path: Path
) -> None:
    fields = ["task", "model", "working_dir", "other"]
    for field, text in itertools.product(fields, STRANGE):
        await submit_strange(unchanging, tmp_path, field, text)


async def submit_strange(client: httpx2.AsyncClient, folder: Path, field: str, text: str) -> None:
    if field == "working_dir":
        text = f"{folder}/{text}"
    given = {"task": '"Do it."', field: f'"{text}"'}
    body = "{" + ",".join(f'"{name}":{value}' for name, value in given.items()) + "}"
    reply = await client.post("/api/task", content=body.encode(), headers=JSON)
    assert reply.status_code in (200, 422), reply.text
    if reply.status_code == 200:
        task = (await client.get(f"/api/task/{reply.json()['id']}")).json()
        assert task["task"] == json.loads(body)["task"].encode("utf-8", "replace").decode()


class BrokenStats(Stats):
    """Has a bug."""

    async def of_tasks(self, actor: Actor) -> list[MissionTotal]:
        raise ZeroDivisionError(f"a bug that knows {actor}")


@requirement("access:errors:shape")
async def test_a_failure_inside_is_told_by_its_id_alone(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False) as rig:
        app = create_app(replace(rig.services, stats=BrokenStats(rig.db.missions)))
        async with client_of(app, token=TOKEN) as client:
            with capture_logs() as logs:
                reply = await client.get("/api/stats")
        assert reply.status_code == 500, reply.text
        error = reply.json()["error"]
        assert error["code"] == "internal"
        assert "bug" not in reply.text
        (entry,) = [entry for entry in logs if entry["log_level"] == "error"]
        assert entry["id"] == error["details"]["id"]
        assert entry["exc_info"]


@requirement("access:errors:shape")
async def test_neither_secrets_nor_bodies_are_logged(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (_, client):
        with capture_logs() as logs:
            await client.get("/api/tasks?token=canary-1&cursor=canary-2")
            await client.post("/api/task", json={"task": "canary-3", "budget_cents": "canary-4"})
            await client.get("/api/tasks", headers={"Authorization": "Bearer canary-5"})
        assert len(logs) == 3
        assert "canary" not in str(logs)
        assert TOKEN not in str(logs)


@requirement("access:errors:shape")
async def test_a_refused_body_is_not_repeated(unchanging: httpx2.AsyncClient) -> None:
    reply = await unchanging.post("/api/task", json={"task": {"canary": "canary"}})
    assert reply.status_code == 422
    assert "canary" not in reply.text
