"""Nobody sees or changes what is another's, whatever they ask and whatever they present."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from open_agent.core.ids import new_uuid
from open_agent.testing.asgi import client_of
from tests.interaction.http.ownership import MAKERS, RULES, Kind, Rule
from tests.interaction.http.people import ANNA, BEN, CHANNELS, CHIEF, MANY, Channel, client_as
from tests.interaction.http.rig import Rig, server
from tests.interaction.requirements import requirement

PROBES: dict[str, Any] = {
    "id": "id-of-chief",
    "role": "admin",
    "is_admin": True,
    "owner": "id-of-chief",
    "owner_id": "id-of-chief",
    "user_id": "id-of-chief",
    "username": "chief",
    "isolation": "host",
    "scopes": ["admin"],
    "budget_microdollars": 10**12,
    "is_workspace_ours": True,
    "created_at": "2001-01-01T00:00:00Z",
}
"""Fields that no client may set, but where a route says so."""


MCP = [
    f"{method} {path}" for path in ("/mcp", "/mcp/bridge") for method in ("GET", "POST", "DELETE")
]
"""What speaks a protocol of its own, which OpenAPI cannot describe."""


def routes_of(rig: Rig) -> list[str]:
    """Every route that OpenAPI tells of."""
    paths: dict[str, dict[str, Any]] = rig.app.openapi()["paths"]
    methods = {"get", "put", "post", "patch", "delete", "head", "options"}
    return [
        f"{method.upper()} {path}"
        for path, item in paths.items()
        for method in item
        if method in methods
    ]


def filled(route: str, rule: Rule, object_id: str) -> tuple[str, str]:
    """The method and path with an id at its place."""
    method, path = route.split(" ")
    path = path.replace("{id}", object_id)
    if rule.makes == "tool":
        path = path.replace("{name}", object_id)
    for name, value in rule.rest.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{route}: say in `rest` what stands there"
    return method, f"{path}?{rule.query}" if rule.query else path


async def ask(
    client: httpx2.AsyncClient, route: str, rule: Rule, object_id: str
) -> tuple[int, str]:
    """The status, and what is said of an object that is not there, without its id."""
    method, path = filled(route, rule, object_id)
    has_body = method in {"POST", "PUT", "PATCH"} and rule.body is not None
    options: dict[str, Any] = {"json": rule.body} if has_body else {}
    async with client.stream(method, path, **options) as reply:
        if reply.status_code < 400:
            return reply.status_code, ""
        text = (await reply.aread()).decode()
        return reply.status_code, text.replace(object_id, "<id>")


@requirement("access:ownership:matrix")
async def test_every_route_says_whose_its_objects_are(tmp_path: Path) -> None:
    async with server(tmp_path, is_durable=False) as rig:
        found = [*routes_of(rig), *MCP]
    assert sorted(found) == sorted(RULES), "give each route a line in ownership.py"
    for route in found:
        is_object = RULES[route].kind is Kind.OBJECT
        assert not is_object or RULES[route].makes in MAKERS
        if "{" in route:
            assert RULES[route].kind in (Kind.OBJECT, Kind.ADMIN), route


@requirement("access:ownership:matrix", "access:ownership:channels")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("channel", CHANNELS)
async def test_an_object_of_another_is_one_that_is_not_there(
    tmp_path: Path, channel: Channel
) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA, channel) as owner,
        client_as(rig, BEN, channel) as other,
        client_as(rig, CHIEF, channel) as admin,
        client_of(rig.app) as nobody,
    ):
        for route, rule in RULES.items():
            if rule.kind is not Kind.OBJECT:
                continue
            theirs = await MAKERS[rule.makes](rig, owner)
            for client in (other, admin):
                missing = await ask(client, route, rule, new_uuid())
                assert missing[0] == 404, route
                assert await ask(client, route, rule, theirs) == missing, route
            assert (await ask(nobody, route, rule, theirs))[0] == 401, route
            # Processes are none of this rig's, so that even the owner has no such one.
            expected = {404} if "{pid}" in route else {200, 201, 204, 400, 409}
            if "/stop" not in route:
                assert (await ask(owner, route, rule, theirs))[0] in expected, route


@requirement("access:ownership:matrix", "access:ownership:channels")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_what_administrators_do_nobody_else_may(tmp_path: Path, channel: Channel) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA, channel) as member,
        client_as(rig, CHIEF, channel) as admin,
        client_of(rig.app) as nobody,
    ):
        for route, rule in RULES.items():
            if rule.kind is Kind.ADMIN:
                for some_id in (BEN.id, new_uuid()):
                    assert (await ask(member, route, rule, some_id))[0] == 403, route
                    assert (await ask(nobody, route, rule, some_id))[0] == 401, route
                    assert (await ask(admin, route, rule, some_id))[0] not in (401, 403), route


@requirement("access:ownership:matrix")
async def test_lists_hold_ones_own_and_nothing_else(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_as(rig, BEN) as ben,
    ):
        task = await rig.submit(anna, "A secret of anna's.")
        await anna.post("/api/control/message", json={"content": "A secret of anna's."})
        await anna.post("/api/keys", json={"name": "anna's"})
        for route, rule in RULES.items():
            if rule.kind is Kind.OWN and route.startswith("GET ") and "{" not in route:
                if route.endswith(("/stream", "/mcp")):
                    continue  # `test_control_stream.py` says whose it is.
                text = (await ben.get(route.split(" ")[1], params={"q": "secret"})).text
                assert task not in text, route
                assert "anna" not in text, route
        assert (await ben.get("/api/stats")).json()["total_tasks"] == 0
        assert task in (await anna.get("/api/tasks")).text


@requirement("access:ownership:fields")
async def test_no_body_can_set_what_is_not_its_own(tmp_path: Path) -> None:
    async with (
        server(tmp_path, is_durable=False, rules=MANY) as rig,
        client_as(rig, ANNA) as anna,
        client_as(rig, CHIEF) as chief,
    ):
        schemas = rig.app.openapi()
        for route in routes_of(rig):
            method, path = route.split(" ")
            body = schemas["paths"][path][method.lower()].get("requestBody")
            if body is None or RULES[route].kind is Kind.PUBLIC:
                continue
            name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            own = schemas["components"]["schemas"][name]["properties"]
            for field, value in PROBES.items():
                if field in own:
                    assert RULES[route].kind is Kind.ADMIN, f"{route} takes {field}"
                    continue
                sent = {**_example(name), field: value}
                client = chief if RULES[route].kind is Kind.ADMIN else anna
                asked = re.sub(r"{\w+}", "1", path)
                reply = await client.request(method, asked, json=sent)
                assert reply.status_code in (200, 201, 404, 422), (route, field, reply.text)
        for each in (await anna.get("/api/tasks")).json():
            mission = await rig.db.missions.get_for_system(each["id"])
            assert mission.owner_id == ANNA.id
        me = (await anna.get("/api/auth/me")).json()
        assert (me["is_admin"], me["scopes"]) == (False, ["read", "write"])
        tasks = await rig.db.missions.page(owner=CHIEF.id)
        assert tasks.items == ()


def _example(name: str) -> dict[str, Any]:
    """A body that is right but for the probe."""
    return {
        "CreateTask": {"task": "Do it."},
        "CreateKey": {"name": "a key"},
        "CreateUser": {"username": new_uuid(), "password": "long enough"},
        "CreateMcp": {"name": new_uuid(), "endpoint": "http://127.0.0.1:1/mcp", "shared": False},
    }.get(name, {})
