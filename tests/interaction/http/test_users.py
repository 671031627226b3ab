"""Users and keys: administered, ended at once, on record, and never shown."""

import base64
import io
import urllib.parse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import structlog

from open_agent.core.run import RunState
from open_agent.server.auth import COOKIE
from open_agent.services.access.rules import AccessRules
from open_agent.testing.asgi import client_of
from tests.interaction.http.people import ALONE, MANY, ORIGIN, login
from tests.interaction.http.rig import SECRET, TOKEN, Rig, served, streaming
from tests.interaction.requirements import requirement

PASSWORD = "a password of dora's"


async def add(owner: httpx2.AsyncClient, name: str = "dora", **fields: Any) -> dict[str, Any]:
    """A user in the database."""
    body = {"username": name, "password": PASSWORD, **fields}
    reply = await owner.post("/api/users", json=body)
    assert reply.status_code == 201, reply.text
    return reply.json()


@asynccontextmanager
async def signed_in(
    rig: Rig, name: str = "dora", password: str = PASSWORD
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client with a session of a user's."""
    async with client_of(rig.app) as client:
        reply = await login(client, name, password)
        assert reply.status_code == 200, reply.text
        client.headers["Authorization"] = f"Bearer {reply.json()['token']}"
        yield client


def code(reply: httpx2.Response) -> str:
    return reply.json()["error"]["code"]


@requirement("access:users:administered")
async def test_users_are_added_changed_and_deleted(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        chief = await add(owner, " chief ", role="admin")
        dora = await add(owner)
        assert chief["username"] == "chief"
        listed = (await owner.get("/api/users")).json()
        assert [user["username"] for user in listed["items"]] == ["chief", "dora"]
        assert PASSWORD not in str(listed)
        assert "argon2" not in str(listed)
        for name in ("dora", "DORA", "ｄora", " dora "):
            body = {"username": name, "password": PASSWORD}
            taken = await owner.post("/api/users", json=body)
            assert (taken.status_code, code(taken)) == (409, "user.exists")
        async with signed_in(rig, "chief") as admin:
            path = f"/api/users/{dora['id']}"
            changed = await admin.patch(path, json={"role": "admin"})
            assert changed.json()["role"] == "admin"
            own = f"/api/users/{chief['id']}"
            assert (await admin.patch(path, json={"role": "member"})).status_code == 200
            for refused in (
                await admin.patch(own, json={"role": "member"}),
                await admin.patch(own, json={"is_disabled": True}),
                await admin.delete(own),
            ):
                assert (refused.status_code, code(refused)) == (409, "user.last_admin")
            assert (await admin.delete(path)).status_code == 204
            assert (await admin.delete(path)).status_code == 404
        async with client_of(rig.app) as client:
            assert (await login(client, "dora", PASSWORD)).status_code == 401


@requirement("access:users:administered")
@pytest.mark.parametrize(
    "body",
    [
        {"username": "", "password": PASSWORD},
        {"username": "  ", "password": PASSWORD},
        {"username": "x" * 65, "password": PASSWORD},
        {"username": "a\nb", "password": PASSWORD},
        {"username": "a\u200bb", "password": PASSWORD},
        {"username": "a\0b", "password": PASSWORD},
        {"username": "new", "password": "short"},
        {"username": "new", "password": "  short   "},
        {"username": "new", "password": "x" * 1025},
        {"username": "new", "password": PASSWORD, "role": "owner"},
        {"username": "new", "password": PASSWORD, "adopt": True},
        {"username": "new"},
    ],
)
async def test_what_is_unfit_for_a_user_is_refused(tmp_path: Path, body: dict[str, Any]) -> None:
    async with served(tmp_path, is_durable=False) as (_, owner):
        assert (await owner.post("/api/users", json=body)).status_code == 422


@requirement("access:users:administered")
async def test_users_of_the_settings_are_changed_there(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False, rules=MANY) as (_, owner):
        users = (await owner.get("/api/users")).json()["items"]
        assert {user["username"]: user["role"] for user in users} == {
            "anna": "member",
            "ben": "member",
            "chief": "admin",
        }
        for refused in (
            await owner.patch(f"/api/users/{users[0]['id']}", json={"role": "admin"}),
            await owner.delete(f"/api/users/{users[0]['id']}"),
            await owner.post("/api/users", json={"username": "Anna", "password": PASSWORD}),
        ):
            assert refused.status_code == 409


@requirement("access:sessions:ended")
@pytest.mark.parametrize("how", ["logout", "password", "own", "role", "disable", "delete"])
async def test_what_ends_a_session_ends_its_requests_and_streams_at_once(
    tmp_path: Path, how: str
) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        await add(owner, "chief", role="admin")
        dora = await add(owner)
        async with signed_in(rig) as client:
            task = await rig.submit(client)
            path = f"/api/users/{dora['id']}"
            cookie = {"Cookie": f"{COOKIE}={client.headers['Authorization'][7:]}"}
            async with (
                client_of(rig.app) as browser,
                streaming(client, f"/api/missions/{task}/stream") as stream,
            ):
                assert (await browser.get("/api/tasks", headers=cookie)).status_code == 200
                await stream.take(2)
                both = {"old_password": PASSWORD, "new_password": "a new password"}
                ended = {
                    "logout": lambda: client.post("/api/auth/logout"),
                    "password": lambda: owner.patch(path, json={"password": "a new password"}),
                    "own": lambda: client.post("/api/auth/password", json=both),
                    "role": lambda: owner.patch(path, json={"role": "admin"}),
                    "disable": lambda: owner.patch(path, json={"is_disabled": True}),
                    "delete": lambda: owner.delete(path),
                }[how]
                assert (await ended()).status_code in (200, 204)
                await stream.rest()
                assert "signed out" in " ".join(stream.reader.comments)
                assert (await browser.get("/api/tasks", headers=cookie)).status_code == 401
            assert (await client.get("/api/tasks")).status_code == 401
        mission = await rig.db.missions.get_for_system(task)
        records = [record.event.type for record in await rig.db.log.read(task)]
        assert ("cancel.requested" in records) is (how in ("disable", "delete"))
        assert mission.run_state in (RunState.QUEUED, RunState.FINISHED)
        async with client_of(rig.app) as again:
            wanted = "a new password" if how in ("password", "own") else PASSWORD
            status = 401 if how in ("disable", "delete") else 200
            assert (await login(again, "dora", wanted)).status_code == status


@requirement("access:sessions:ended")
async def test_another_process_learns_of_an_end_within_seconds(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        await add(owner, "chief", role="admin")
        dora = await add(owner)
        gate = rig.services.access.gate
        async with signed_in(rig) as client, anyio.create_task_group() as group:
            group.start_soon(gate.keep_watch)
            task = await rig.submit(client)
            async with streaming(client, f"/api/missions/{task}/stream") as stream:
                await stream.take(2)
                # Past the services of this process, as another one would.
                await rig.db.accounts.delete_for_system(dora["id"], needs_admin=False)
                with anyio.fail_after(5):
                    await stream.rest()
            assert (await client.get("/api/tasks")).status_code == 401
            group.cancel_scope.cancel()


@requirement("access:keys:scoped")
async def test_a_key_is_good_for_its_scope_until_it_is_revoked(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False, rules=ALONE) as (rig, owner):
        keys: dict[str, dict[str, Any]] = {}
        for scope in ("read", "write", "admin"):
            body = {"name": scope, "scope": scope, "days": 1}
            keys[scope] = (await owner.post("/api/keys", json=body)).json()
            assert keys[scope]["key"].startswith("oa_")
        listed = (await owner.get("/api/keys")).json()["items"]
        assert [key["scope"] for key in listed] == ["read", "write", "admin"]
        assert not any(key["key"] in str(listed) for key in keys.values())
        asked = [("GET", "/api/tasks"), ("POST", "/api/task"), ("GET", "/api/users")]
        for scope, expected in (
            ("read", [200, 403, 403]),
            ("write", [200, 200, 403]),
            ("admin", [200, 200, 200]),
        ):
            async with client_of(rig.app, token=keys[scope]["key"]) as client:
                found = [
                    (await client.request(m, p, json={"task": "x"} if m == "POST" else None))
                    for m, p in asked
                ]
                assert [reply.status_code for reply in found] == expected
                if scope != "admin":
                    assert (await client.get("/api/keys")).status_code == 403
        used = (await owner.get("/api/keys")).json()["items"]
        assert all(key["last_used_at"] for key in used)
        task = await rig.submit(owner)
        async with client_of(rig.app, token=keys["read"]["key"]) as client:
            async with streaming(client, f"/api/task/{task}/stream") as stream:
                path = f"/api/keys/{keys['read']['id']}"
                assert (await owner.delete(path)).status_code == 204
                await stream.rest()
            assert code(await client.get("/api/tasks")) == "auth.invalid"


@requirement("access:audit:complete")
async def test_the_audit_log_says_who_did_what_from_where(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        dora = await add(owner, role="admin")
        async with client_of(rig.app, peer="10.0.0.7") as stranger:
            await login(stranger, "dora", "a wrong password")
            await login(stranger, "typed-as-a-name", "x")
        async with signed_in(rig) as client:
            made = (await client.post("/api/keys", json={"name": "laptop"})).json()
            await client.delete(f"/api/keys/{made['id']}")
            page = (await client.get("/api/audit", params={"limit": 2})).json()
            entries = page["items"]
            while page["next"] is not None:
                params = {"limit": 2, "after": page["next"]}
                page = (await client.get("/api/audit", params=params)).json()
                entries += page["items"]
            await client.post("/api/auth/logout")
        found = [(each["action"], each["actor_name"], each["address"]) for each in entries]
        assert found == [
            ("key.revoked", "dora", "127.0.0.1"),
            ("key.made", "dora", "127.0.0.1"),
            ("login.succeeded", "dora", "127.0.0.1"),
            ("login.failed", "", "10.0.0.7"),
            ("login.failed", "", "10.0.0.7"),
            ("user.added", "", "127.0.0.1"),
        ]
        assert [each["target"] for each in entries[3:]] == ["", dora["id"], dora["id"]]
        assert "typed-as-a-name" not in str(entries)
        (last,) = (await owner.get("/api/audit", params={"limit": 1})).json()["items"]
        assert last["action"] == "login.ended"


@requirement("access:secrets:hidden")
async def test_no_secret_is_in_logs_events_errors_or_rows(tmp_path: Path) -> None:
    """All kinds of secrets go in through every door; nothing that is kept or said has them."""
    said = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(said))
    try:
        rules = AccessRules(TOKEN, SECRET)
        async with served(tmp_path, rules=rules) as (rig, owner):
            replies: list[httpx2.Response] = []
            secrets = {"token": TOKEN, "secret": SECRET, "password": PASSWORD}
            await add(owner, role="admin")
            link = (await owner.post("/api/auth/link")).status_code
            assert link == 409
            async with signed_in(rig) as client:
                secrets["session"] = client.headers["Authorization"][7:]
                made = await client.post("/api/keys", json={"name": "x", "scope": "admin"})
                secrets["key"] = made.json()["key"]
                url = (await client.post("/api/auth/link")).json()["url"]
                secrets["code"] = url.partition("code=")[2]
                for secret in secrets.values():
                    replies += [
                        await client.get("/api/tasks", params={"token": secret, "cursor": "\t"}),
                        await client.get("/nope", headers={"Authorization": f"Bearer {secret}x"}),
                        await client.post("/api/keys", json={"name": {"x": secret}}),
                        await client.post("/api/users", json={"password": [secret]}),
                        await client.post("/api/auth/login", json={"password": [secret]}),
                        await login(client, "nobody", secret),
                        await client.get("/link", params={"code": f"{secret}x"}),
                        await client.post("/api/auth/session", json={"password": secret}),
                        await client.post("/api/task", json={"task": "Do it."}),
                    ]
                task = await rig.submit(client)
                replies += [await client.get("/api/audit"), await client.get("/api/users")]
                replies += [await client.get("/api/keys"), await client.get("/api/status")]
                replies.append(await client.get(f"/api/missions/{task}/events"))
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("open-agent.db*"))
        texts = [reply.text for reply in replies] + [str(dict(reply.headers)) for reply in replies]
        everything = "\n".join([*texts, said.getvalue(), kept.decode("latin-1")])
        assert "request" in said.getvalue()
        for name, secret in secrets.items():
            encoded = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
            for form in (secret, urllib.parse.quote(secret, safe=""), encoded):
                assert form not in everything, name
    finally:
        structlog.reset_defaults()


@requirement("access:secrets:hidden")
async def test_docs_need_an_actor_and_bring_their_own_assets(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner), client_of(rig.app) as nobody:
        for path in ("/docs", "/openapi.json", "/docs/style.css", "/"):
            assert (await nobody.get(path)).status_code == 401
        page = (await owner.get("/docs")).text
        assert "http://" not in page.replace(ORIGIN, "").replace("http://127.0.0.1", "")
        assert "<script" not in page


@requirement("access:users:administered")
@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b", "\\udfff\\ud800", "\\u202e"])
async def test_text_that_no_database_holds_is_refused_and_breaks_nothing(
    tmp_path: Path, text: str
) -> None:
    async with served(tmp_path, is_durable=False, rules=ALONE) as (_, owner):
        json = {"Content-Type": "application/json"}
        for path, body in (
            ("/api/users", '{"username": "TEXT", "password": "long enough"}'),
            ("/api/users", '{"username": "new", "password": "TEXT"}'),
            ("/api/keys", '{"name": "TEXT"}'),
            ("/api/keys", '{"name": "x", "scope": "TEXT"}'),
            ("/api/auth/password", '{"old_password": "TEXT", "new_password": "TEXT"}'),
        ):
            content = body.replace("TEXT", text)
            reply = await owner.post(path, content=content, headers=json)
            assert reply.status_code in (409, 422), (path, reply.text)
        for path in ("/api/keys/%00", "/api/keys/%ff", "/api/users/%00", "/api/users/a%2fb"):
            assert (await owner.delete(path)).status_code in (404, 405)
