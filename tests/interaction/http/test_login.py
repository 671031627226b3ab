"""Signing in, in every mode, as the original's clients do it and as browsers do."""

import json
import statistics
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import anyio
import jwt
import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from open_agent.core.account import Role
from open_agent.core.ids import UserId
from open_agent.server.auth import COOKIE
from open_agent.server.http import HttpOptions
from open_agent.services.access.rules import AccessRules, NamedUser
from open_agent.testing.asgi import client_of
from tests.interaction.http.people import ALONE, ANNA, MANY, ORIGIN, client_as, login, token_of
from tests.interaction.http.rig import CHEAP, SECRET, TOKEN, served, server
from tests.interaction.requirements import requirement

LOCAL = AccessRules(TOKEN, SECRET)
JWT = cast("Any", jwt)
OURS = HttpOptions(is_own_account=lambda client, server: True)


class Counting(Argon2Hasher):
    """Counts what is hashed, which is what takes the time."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.checked: list[str] = []

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:
        self.checked.append(str(hash))
        return super().verify(password, hash)


@requirement("access:modes:original")
@pytest.mark.parametrize(
    ("rules", "mode", "is_required"),
    [
        (LOCAL, "single_tenant", True),
        (ALONE, "single_tenant", True),
        (MANY, "multi_user", True),
        (replace(MANY, password="also set"), "multi_user", True),
        (replace(MANY, is_dev_mode=True), "disabled", False),
        (replace(ALONE, has_own_secret=False), "single_tenant", True),
    ],
)
async def test_health_says_which_mode_is_in_force(
    tmp_path: Path, rules: AccessRules, mode: str, is_required: bool
) -> None:
    is_dev = rules.is_dev_mode
    async with (
        server(tmp_path, is_durable=False, rules=rules, is_dev_mode=is_dev) as rig,
        client_of(rig.app) as client,
    ):
        health = (await client.get("/api/health")).json()
        assert (health["auth_mode"], health["auth_required"]) == (mode, is_required)
        assert health["dev_mode"] is is_dev


@requirement("access:login:original")
async def test_a_name_and_its_password_are_answered_with_a_token(tmp_path: Path) -> None:
    hashed = NamedUser(UserId("id-of-eve"), "eve", CHEAP.hash("password of eve"), Role.ADMIN)
    rules = replace(MANY, users=(*MANY.users, hashed))
    async with (
        server(tmp_path, is_durable=False, rules=rules) as rig,
        client_of(rig.app) as client,
    ):
        for name, password in (
            ("anna", ANNA.password),
            ("  anna\t", f" {ANNA.password} "),
            ("eve", "password of eve"),
        ):
            reply = await login(client, name, password)
            assert reply.status_code == 200
            assert set(reply.json()) == {"token", "exp"}
            days = (reply.json()["exp"] - datetime.now(UTC).timestamp()) / 86400
            assert 29.9 < days <= 30
            headers = {"Authorization": f"bearer {reply.json()['token']}"}
            me = (await client.get("/api/auth/me", headers=headers)).json()
            assert (me["username"], me["credential"]) == (name.strip(), "session")


@requirement("access:login:original", "access:login:same-answer")
async def test_failures_are_plain_text_and_tell_nothing(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_of(rig.app) as client,
    ):
        for name, password, text in (
            (None, "x", "Username required"),
            (" ", "x", "Username required"),
            ("anna", "wrong", "Invalid username or password"),
            ("anna", "", "Invalid username or password"),
            ("nobody", "wrong", "Invalid username or password"),
            ("ANNA", ANNA.password, "Invalid username or password"),
            ("anna", "\ud800", "Invalid username or password"),
            ("an\0na", "x", "Invalid username or password"),
        ):
            body = json.dumps({"username": name, "password": password})
            reply = await client.post(
                "/api/auth/login", content=body, headers={"Content-Type": "application/json"}
            )
            assert (reply.status_code, reply.text) == (401, text)
            assert reply.headers["content-type"].startswith("text/plain")


@requirement("access:login:original")
async def test_one_password_lets_in_the_owner_of_everything(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=ALONE) as rig,
        client_of(rig.app) as client,
    ):
        assert (await login(client, None, "wrong")).text == "Invalid password"
        reply = await login(client, "whoever", " password of one ")
        headers = {"Authorization": f"Bearer {reply.json()['token']}"}
        me = (await client.get("/api/auth/me", headers=headers)).json()
        assert (me["id"], me["is_admin"]) == ("default", True)


@requirement("access:local:code")
async def test_in_local_mode_the_printed_code_is_the_password_once(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=LOCAL) as rig,
        client_of(rig.app) as client,
    ):
        link = rig.services.access.sessions.first_link()
        assert link is not None
        assert (await login(client, None, TOKEN)).text == "Invalid password"
        reply = await login(client, None, f" {link.code} ")
        assert reply.status_code == 200
        assert (await login(client, None, link.code)).status_code == 401
        headers = {"Authorization": f"Bearer {reply.json()['token']}"}
        assert (await client.get("/api/users", headers=headers)).status_code == 200


@requirement("access:local:link")
async def test_a_link_lets_one_browser_in_once_and_leads_to_the_start_page(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner), client_of(rig.app) as browser:
        made = (await owner.post("/api/auth/link")).json()
        path = made["url"].removeprefix("http://127.0.0.1:3000") + "&next=//evil.test"
        arrived = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}
        reply = await browser.get(path, headers=arrived)
        assert (reply.status_code, reply.headers["location"]) == (303, "/")
        cookie = reply.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        kept = cookie.partition(";")[0]
        browser.cookies.clear()
        assert (await browser.get(path)).status_code == 401
        assert (await browser.get("/api/tasks", headers={"Cookie": kept})).status_code == 200
        raced: list[int] = []
        second = (await owner.post("/api/auth/link")).json()["url"]

        async def follow() -> None:
            raced.append((await browser.get(second)).status_code)

        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(follow)
        assert sorted(raced) == [303, 401, 401, 401]


@requirement("access:cookie:guarded")
async def test_a_cookie_changes_something_only_from_a_page_of_ours(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA, "cookie") as client,
    ):
        del client.headers["Origin"]
        for headers, status in (
            ({"Origin": ORIGIN}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({}, 403),
            ({"Sec-Fetch-Site": "same-site"}, 403),
            ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": "http://127.0.0.1:3001"}, 403),
        ):
            reply = await client.post("/api/task", json={"task": "Do it."}, headers=headers)
            assert reply.status_code == status, headers
        assert (await client.get("/api/tasks")).status_code == 200
        twice = f"{client.headers['Cookie']}; {COOKIE}=x"
        assert (await client.get("/api/tasks", headers={"Cookie": twice})).status_code == 401


@requirement("access:cookie:guarded")
async def test_over_tls_the_cookie_never_goes_without(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_of(rig.app, base_url="https://127.0.0.1:3000") as client,
    ):
        body = {"username": "anna", "password": ANNA.password}
        reply = await client.post("/api/auth/session", json=body)
        assert set(reply.json()) == {"exp"}
        assert "Secure" in reply.headers["set-cookie"]
        wrong = await client.post("/api/auth/session", json={**body, "password": "x"})
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "login.failed")


@requirement("access:local:kernel")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": ORIGIN}, 401),
        ({"Sec-Fetch-Site": "none"}, 401),
        ({"Sec-Fetch-Mode": "navigate"}, 401),
        ({"Cookie": "a=b"}, 401),
        ({"Cookie": f"{COOKIE}=x"}, 401),
        ({"Forwarded": "for=127.0.0.1"}, 401),
        ({"X-Forwarded-For": "127.0.0.1"}, 401),
        ({"X-Forwarded-Proto": "https"}, 401),
        ({"X-Real-Ip": "127.0.0.1"}, 401),
        ({"Via": "1.1 proxy"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
    ],
)
async def test_programs_of_the_own_account_need_no_token_but_browsers_do(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=LOCAL, options=OURS) as rig,
        client_of(rig.app) as client,
    ):
        assert (await client.get("/api/tasks", headers=headers)).status_code == status


@requirement("access:local:kernel")
async def test_the_kernels_word_is_not_enough_to_administer_or_elsewhere(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False, rules=LOCAL, options=OURS) as rig:
        async with client_of(rig.app) as client:
            assert (await client.post("/api/task", json={"task": "Do it."})).status_code == 200
            for method, path in (
                ("GET", "/api/users"),
                ("GET", "/api/audit"),
                ("GET", "/api/keys"),
                ("POST", "/api/keys"),
                ("POST", "/api/auth/link"),
            ):
                reply = await client.request(
                    method, path, json={"name": "x"} if "keys" in path else None
                )
                assert (reply.status_code, reply.json()["error"]["code"]) == (
                    403,
                    "token.scope_missing",
                )
        async with client_of(rig.app, peer="192.168.1.7") as client:
            assert (await client.get("/api/tasks")).status_code == 401
    for rules in (ALONE, MANY):
        async with (
            server(tmp_path, is_durable=False, rules=rules, options=OURS) as rig,
            client_of(rig.app) as client,
        ):
            assert (await client.get("/api/tasks")).status_code == 401


@requirement("access:login:throttled")
async def test_guessing_is_slowed_down_without_locking_others_out(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False, rules=MANY) as rig:
        async with client_of(rig.app, peer="10.0.0.1") as guesser:
            replies = [await login(guesser, "anna", f"guess {n}") for n in range(8)]
            assert [reply.status_code for reply in replies] == [401] * 5 + [429] * 3
            assert 0 < int(replies[-1].headers["retry-after"]) <= 60
            assert "Too many attempts" in replies[-1].text
            assert (await login(guesser, "anna", ANNA.password)).status_code == 429
            assert (await login(guesser, "ben", "password of ben")).status_code == 200
        async with client_of(rig.app, peer="10.0.0.2") as anna:
            assert (await login(anna, "anna", ANNA.password)).status_code == 200


@requirement("access:login:same-answer")
async def test_every_login_does_the_same_work(tmp_path: Path) -> None:
    hasher = Counting()
    hashed = NamedUser(UserId("id-of-eve"), "eve", CHEAP.hash("password of eve"))
    rules = replace(MANY, users=(*MANY.users, hashed))
    async with (
        server(tmp_path, is_durable=False, rules=rules, hasher=PasswordHash((hasher,))) as rig,
        client_of(rig.app) as client,
    ):
        for name, password in (
            ("eve", "password of eve"),
            ("eve", "wrong"),
            ("anna", ANNA.password),
            ("anna", "wrong"),
            ("nobody", "wrong"),
            ("eve", "x" * 100_000),
            ("anna", ""),
        ):
            before = len(hasher.checked)
            await login(client, name, password)
            assert len(hasher.checked) == before + 1, (name, password[:10])
    parameters = {kept.split("$")[3] for kept in hasher.checked}
    assert len(parameters) == 1


@requirement("access:login:same-answer")
@pytest.mark.timeout(60)
async def test_an_unknown_name_takes_as_long_as_a_wrong_password(tmp_path: Path) -> None:
    slow = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1),))
    hashed = NamedUser(UserId("id-of-eve"), "eve", slow.hash("password of eve"))
    rules = replace(MANY, users=(hashed,))
    took: dict[str, list[float]] = {"eve": [], "nobody": []}
    async with server(tmp_path, is_durable=False, rules=rules, hasher=slow) as rig:
        for number in range(60):
            # Another address each time, or the throttle would answer.
            async with client_of(rig.app, peer=f"10.0.{number}.1") as client:
                for name, times in took.items():
                    began = time.perf_counter()
                    assert (await login(client, name, "wrong")).status_code in (401, 429)
                    times.append(time.perf_counter() - began)
    known, unknown = (statistics.median(times[5:25]) for times in took.values())
    assert 0.6 < known / unknown < 1.67


@requirement("access:login:bounded")
@pytest.mark.timeout(30)
async def test_two_hundred_logins_at_once_leave_the_server_answering(tmp_path: Path) -> None:
    slow = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=8192, parallelism=1),))
    users = tuple(NamedUser(UserId(f"u{n}"), f"u{n}", "password of all") for n in range(200))
    statuses: list[int] = []
    async with (
        server(tmp_path, is_durable=False, rules=replace(MANY, users=users), hasher=slow) as rig,
        client_of(rig.app) as client,
    ):

        async def try_one(name: str) -> None:
            statuses.append((await login(client, name, "password of all")).status_code)

        async with anyio.create_task_group() as group:
            for user in users:
                group.start_soon(try_one, user.username)
            await anyio.lowlevel.checkpoint()
            with anyio.fail_after(5):
                assert (await client.get("/api/health")).status_code == 200
    assert set(statuses) == {200, 429}
    assert statuses.count(429) >= 100


@requirement("access:legacy:opt-in")
async def test_a_token_of_the_original_is_good_only_when_the_operator_says_so(
    tmp_path: Path,
) -> None:
    claims: dict[str, Any] = {"sub": "id-of-anna", "iat": 1_700_000_000, "exp": 4_000_000_000}
    anna = JWT.encode({**claims, "usr": "anna"}, SECRET, "HS256")
    nameless = JWT.encode(claims, SECRET, "HS256")
    gone = JWT.encode({**claims, "sub": "id-of-somebody"}, SECRET, "HS256")
    for accepts in (False, True):
        rules = replace(MANY, accepts_legacy=accepts)
        async with (
            server(tmp_path, is_durable=False, rules=rules) as rig,
            client_of(rig.app) as client,
        ):
            for token in (anna, nameless):
                headers = {"Authorization": f"Bearer {token}"}
                reply = await client.get("/api/auth/me", headers=headers)
                assert reply.status_code == (200 if accepts else 401)
            headers = {"Authorization": f"Bearer {gone}"}
            error = (await client.get("/api/auth/me", headers=headers)).json()["error"]
            assert error["code"] == ("auth.user_invalid" if accepts else "auth.invalid")
            assert error["message"].startswith(
                "Invalid user" if accepts else "Invalid or expired token"
            )


@requirement("access:modes:switch")
async def test_what_was_done_before_there_were_users_is_there_for_who_adopts_it(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, rules=LOCAL) as (rig, owner):
        task = await rig.submit(owner)
    async with served(tmp_path, rules=ALONE) as (rig, owner):
        assert (await owner.get(f"/api/task/{task}")).status_code == 200
        before = (await login(owner, None, "password of one")).json()["token"]
        made: list[int] = []

        async def add(name: str) -> None:
            body = {"username": name, "password": "long enough", "role": "admin", "adopt": True}
            made.append((await owner.post("/api/users", json=body)).status_code)

        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(add, f"first-{number}")
        assert sorted(made) == [201, *[409] * 9]
        (user,) = (await owner.get("/api/users")).json()["items"]
        assert user["id"] == "default"
        async with client_of(rig.app, token=before) as client:
            assert (await client.get("/api/tasks")).status_code == 401
            reply = await login(client, user["username"], "long enough")
            client.headers["Authorization"] = f"Bearer {reply.json()['token']}"
            assert (await client.get(f"/api/task/{task}")).status_code == 200


@requirement("access:sessions:ended")
async def test_a_session_outlives_a_restart_but_not_a_change_of_its_password(
    tmp_path: Path,
) -> None:
    async with server(tmp_path, rules=MANY) as rig:
        token = await token_of(rig, ANNA)
    changed = replace(MANY, users=(replace(ANNA, password="another password"),))
    gone = replace(MANY, users=MANY.users[1:])
    rotated = replace(MANY, secret=SECRET[::-1])
    for rules, status in ((MANY, 200), (changed, 401), (gone, 401), (rotated, 401)):
        async with (
            server(tmp_path, rules=rules) as rig,
            client_of(rig.app, token=token) as client,
        ):
            assert (await client.get("/api/tasks")).status_code == status


@requirement("access:login:original")
async def test_in_dev_mode_a_login_needs_a_password_that_is_set(tmp_path: Path) -> None:
    for rules, password, status in (
        (LOCAL, "", 401),
        (LOCAL, TOKEN, 401),
        (ALONE, "wrong", 401),
        (ALONE, "password of one", 200),
    ):
        async with (
            server(tmp_path, is_durable=False, rules=rules, is_dev_mode=True) as rig,
            client_of(rig.app) as client,
        ):
            assert rig.services.access.sessions.first_link() is None
            reply = await login(client, None, password)
            assert reply.status_code == status
            assert status == 200 or reply.text == "Invalid password"
