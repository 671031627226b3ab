"""Who may call."""

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import anyio.to_thread
import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from open_agent.core.errors import Invalid
from open_agent.core.ids import new_uuid
from open_agent.server.auth import PUBLIC
from open_agent.server.boundary import SECURITY_HEADERS
from open_agent.services.access.files import ensure_token, read_token, token_path
from open_agent.testing.asgi import client_of
from tests.interaction.http.rig import TOKEN, served, server
from tests.interaction.requirements import requirement

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "MADEUP"]


def routes(found: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """Every route there is; anything else that answers requests fails the walk."""
    for route in found:
        router: APIRouter | None = getattr(route, "original_router", None)
        if router is not None:
            yield from routes(router.routes)
        else:
            assert type(route) is APIRoute, f"{route} needs a walk of its own"
            yield route


def paths(app: FastAPI) -> list[str]:
    """Every path of the application, with ids filled in, and some that it does not have."""
    own = [re.sub(r"{[^}]*}", new_uuid(), route.path) for route in routes(app.routes)]
    assert {"/api/health", "/api/task", "/docs", "/mcp", "/openapi.json"} < set(own)
    return [
        *own,
        *("/", "/nope", "/api", "/api/", "/api/health/", "/api//health", "/API/HEALTH"),
        *("/api/health;x", "/api/health%2f", "/static/x", "/docs/"),
    ]


@requirement("access:token:required")
async def test_nothing_but_the_public_list_is_answered_without_a_token(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False) as rig, client_of(rig.app) as client:
        answered: set[str] = set()
        for path in paths(rig.app):
            for method in METHODS:
                reply = await client.request(method, path)
                if reply.status_code == 401 and "auth.missing" in reply.text:
                    assert reply.headers["www-authenticate"] == "Bearer"
                else:
                    answered.add(f"{method} {path}")
        assert answered == {f"{method} {path}" for method, path in PUBLIC}
        assert sorted(PUBLIC) == [
            ("DELETE", "/mcp/bridge"),
            ("GET", "/api/health"),
            ("GET", "/api/mcp/oauth/callback"),
            ("GET", "/api/ready"),
            ("GET", "/link"),
            ("GET", "/mcp/bridge"),
            ("POST", "/api/auth/login"),
            ("POST", "/api/auth/session"),
            ("POST", "/mcp/bridge"),
        ]


@requirement("access:token:required")
@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        (f"Bearer {TOKEN}", 200, None),
        (f"bearer {TOKEN}", 200, None),
        (f"Bearer  {TOKEN} ", 200, None),
        (f"BEARER {TOKEN}", 401, "auth.invalid"),
        (f"Basic {TOKEN}", 401, "auth.invalid"),
        (f"Bearer{TOKEN}", 401, "auth.invalid"),
        (TOKEN, 401, "auth.invalid"),
        (f"Bearer {TOKEN[:-1]}", 401, "auth.invalid"),
        (f"Bearer {TOKEN}x", 401, "auth.invalid"),
        (f"Bearer {TOKEN.upper()}", 401, "auth.invalid"),
        ("Bearer ", 401, "auth.invalid"),
        ("Bearer \xff\xfe", 401, "auth.invalid"),
        ("", 401, "auth.invalid"),
        (None, 401, "auth.missing"),
    ],
)
async def test_only_the_right_token_lets_in(
    tmp_path: Path, header: str | None, status: int, code: str | None
) -> None:
    async with server(tmp_path, is_durable=False) as rig, client_of(rig.app) as client:
        headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]
        reply = await client.get("/api/tasks", headers=headers)
        assert reply.status_code == status
        assert code is None or reply.json()["error"]["code"] == code


@requirement("access:token:required")
async def test_two_tokens_or_one_in_the_address_do_not_let_in(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False) as rig, client_of(rig.app) as client:
        both = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
        assert (await client.get("/api/tasks", headers=both)).status_code == 401
        for name in ("token", "access_token", "authorization", "key"):
            reply = await client.get("/api/tasks", params={name: TOKEN})
            assert reply.status_code == 401


@requirement("access:token:file")
async def test_the_token_is_made_once_in_a_file_of_its_owners(tmp_path: Path) -> None:
    assert read_token(tmp_path) is None
    made: set[str] = set()

    async def start() -> None:
        made.add(await anyio.to_thread.run_sync(ensure_token, tmp_path))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(start)
    (token,) = made
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    path = token_path(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert ensure_token(tmp_path) == read_token(tmp_path) == token
    assert path.stat().st_mode & 0o777 == 0o600


@requirement("access:token:file")
@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"\xff" * 40, b"x" * 30 + b" y" * 30])
async def test_a_token_file_that_holds_none_is_refused(tmp_path: Path, content: bytes) -> None:
    token_path(tmp_path).write_bytes(content)
    with pytest.raises(Invalid) as refusal:
        ensure_token(tmp_path)
    assert refusal.value.code == "token.invalid"


@requirement("access:dev-mode:loopback")
@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.9.9.9", {"Authorization": "Bearer of old news"}, 200),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:3000"}, 200),
        ("127.0.0.1", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("127.0.0.1", {"Sec-Fetch-Site": "none"}, 200),
        ("127.0.0.1", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ("127.0.0.1", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 401),
        ("127.0.0.1", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 401),
        ("127.0.0.1", {"Origin": "http://evil.test"}, 401),
        ("127.0.0.1", {"Origin": "null"}, 401),
        ("127.0.0.1", {"Host": "evil.test"}, 421),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 401),
        ("192.168.1.7", {}, 401),
        ("0.0.0.0", {}, 401),
        ("::ffff:10.0.0.1", {}, 401),
        ("not an address", {}, 401),
    ],
)
async def test_dev_mode_lets_in_programs_of_this_machine_only(
    tmp_path: Path, peer: str, headers: dict[str, str], status: int
) -> None:
    async with (
        server(tmp_path, is_durable=False, is_dev_mode=True) as rig,
        client_of(rig.app, peer=peer) as client,
    ):
        assert (await client.get("/api/tasks", headers=headers)).status_code == status
    async with server(tmp_path, is_durable=False) as rig, client_of(rig.app, peer=peer) as client:
        assert (await client.get("/api/tasks", headers=headers)).status_code in (401, 421)


@requirement("access:dev-mode:loopback")
async def test_the_originals_examples_work_as_written_in_dev_mode(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, is_dev_mode=True) as rig,
        client_of(rig.app) as client,
    ):
        task = await client.post(
            "/api/task",
            content=b'{"task": "Create a hello world script"}',
            headers={"Content-Type": "application/json"},
        )
        assert (await client.get(f"/api/task/{task.json()['id']}")).status_code == 200
        health = (await client.get("/api/health")).json()
        assert (health["auth_required"], health["auth_mode"]) == (False, "disabled")


@requirement("server:health:public")
async def test_health_says_little_to_everybody(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False) as rig,
        client_of(rig.app, peer="10.0.0.9") as client,
    ):
        assert (await client.get("/api/health")).json() == {
            "status": "ok",
            "version": "1.2.3",
            "dev_mode": False,
            "auth_required": True,
            "auth_mode": "single_tenant",
            "max_iterations": 50,
            "ready": True,
            "isolation": "host",
            "warnings": [],
            "backend": "native",
            "opencode": None,
        }


@requirement("access:errors:shape")
async def test_every_reply_carries_the_security_headers(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, client):
        replies: list[httpx2.Response] = [
            await client.get("/api/health", headers={"Host": "evil.test"}),
            await client.get("/api/tasks", headers={"Authorization": "Bearer wrong"}),
        ]
        for path in paths(rig.app):
            if not path.endswith("/stream"):
                replies += [await client.get(path), await client.post(path)]
        for reply in replies:
            assert {name: reply.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
            assert reply.headers["cache-control"] == "no-store"
        assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]
        assert "frame-ancestors 'none'" in SECURITY_HEADERS["content-security-policy"]
