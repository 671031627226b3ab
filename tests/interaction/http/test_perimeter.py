"""What is refused of every request, whoever sends it."""

import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from open_agent.server.http import HttpOptions
from open_agent.testing.asgi import client_of
from tests.interaction.http.rig import Rig, served
from tests.interaction.requirements import requirement

OWN_HOSTS = [
    "127.0.0.1:3000",
    "localhost",
    "LOCALHOST:3000",
    "[::1]:3000",
    "[::1]",
    "127.0.0.2:9",
    "agent.example",
    "Agent.Example:3000",
]
FOREIGN_HOSTS = [
    "evil.test",
    "evil.test:3000",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "agent.example.evil.test",
    "evilagent.example",
    "0.0.0.0:3000",
    "[::]:3000",
    "192.168.1.5:3000",
    "[::ffff:192.168.1.5]",
    "2130706433",
    "localhost.",
]
MALFORMED_HOSTS = [
    "",
    " ",
    "127.0.0.1@evil.test",
    "user:pass@127.0.0.1",
    "127.0.0.1:port",
    "127.0.0.1:",
    "127.0.0.1:3000/evil",
    "127.0.0.1, evil.test",
    "http://127.0.0.1",
    "[::1",
    "::1",
    "localhost:999999",
    "loc\talhost",
    "ｌocalhost".encode().decode("latin-1"),
]
OWN_ORIGINS = [
    "http://127.0.0.1:3000",
    "https://127.0.0.1:3000",
    "https://front.example",
]
FOREIGN_ORIGINS = [
    "null",
    "",
    "http://evil.test",
    "http://evil.test:3000",
    "http://127.0.0.1",
    "http://127.0.0.1:3001",
    "http://127.0.0.1:30000",
    "http://127.0.0.1:3000.evil.test",
    "http://127.0.0.1:3000@evil.test",
    "http://127.0.0.1.evil.test:3000",
    "http://evil.test/http://127.0.0.1:3000",
    "http://127.0.0.1:3000/",
    "http://127.0.0.1:3000/path",
    "http://127.0.0.1:3000?x",
    "http://127.0.0.1:3000#x",
    "http://localhost:3000",
    "http://[::1]:3000",
    "http://0.0.0.0:3000",
    "ftp://127.0.0.1:3000",
    "file://",
    "file:///etc/passwd",
    "chrome-extension://abcdefghijklmnop",
    "data:text/html,x",
    "javascript:alert(1)",
    "//127.0.0.1:3000",
    "127.0.0.1:3000",
    "http://",
    "http:127.0.0.1:3000",
    "http://127.0.0.1:3000 http://evil.test",
    "http://evil.test, http://127.0.0.1:3000",
    "http://127.0.0.1:3000\\@evil.test",
    "http://user@127.0.0.1:3000",
    "https://front.example.evil.test",
    "https://evilfront.example",
    "https://front.example:444",
    "http://front.example",
    "http://[::1",
    "http://127.0.0.1:99999",
    "http://127.1:3000",
    "http://2130706433:3000",
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[Rig, httpx2.AsyncClient]]:
    options = HttpOptions(
        hosts=frozenset({"agent.example"}), origins=frozenset({"https://front.example"})
    )
    async with served(tmp_path, is_durable=False, options=options) as pair:
        yield pair


async def send(client: httpx2.AsyncClient, headers: list[tuple[str, str]]) -> httpx2.Response:
    """Submit a task with these headers beside the client's own; `host` replaces its host."""
    names = {name.lower() for name, _ in headers}
    request = client.build_request("POST", "/api/task", json={"task": "Do it."})
    kept = [(k, v) for k, v in request.headers.raw if k.decode().lower() not in names]
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers]
    content = request.content
    return await client.send(
        httpx2.Request("POST", request.url, headers=[*kept, *raw], content=content)
    )


async def replies_to(
    client: httpx2.AsyncClient, name: str, values: list[str]
) -> dict[str, tuple[int, str | None]]:
    """The status and the code of the error, for each value of a header."""
    found: dict[str, tuple[int, str | None]] = {}
    for value in values:
        reply = await send(client, [(name, value)])
        found[value] = (reply.status_code, None if reply.status_code == 200 else code(reply))
    return found


@requirement("access:host:checked")
async def test_the_servers_own_names_are_answered(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    found = await replies_to(server[1], "Host", OWN_HOSTS)
    assert found == dict.fromkeys(OWN_HOSTS, (200, None))


@requirement("access:host:checked")
async def test_other_names_are_misdirected(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    found = await replies_to(server[1], "Host", FOREIGN_HOSTS)
    assert found == dict.fromkeys(FOREIGN_HOSTS, (421, "request.host_unknown"))
    for host in FOREIGN_HOSTS:
        assert (await server[1].get("/api/health", headers={"Host": host})).status_code == 421


@requirement("access:host:checked")
async def test_what_is_no_host_is_refused(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    found = await replies_to(server[1], "Host", MALFORMED_HOSTS)
    assert found == dict.fromkeys(MALFORMED_HOSTS, (400, "request.host_invalid"))


@requirement("access:host:checked")
async def test_two_hosts_are_refused(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    for hosts in (["127.0.0.1:3000", "evil.test"], ["127.0.0.1:3000", "127.0.0.1:3000"]):
        reply = await send(server[1], [("Host", host) for host in hosts])
        assert (reply.status_code, code(reply)) == (400, "request.host_invalid")


@requirement("access:origin:checked")
async def test_the_servers_own_pages_may_write(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    found = await replies_to(server[1], "Origin", OWN_ORIGINS)
    assert found == dict.fromkeys(OWN_ORIGINS, (200, None))


@requirement("access:origin:checked")
async def test_other_pages_may_not_write(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    rig, client = server
    found = await replies_to(client, "Origin", FOREIGN_ORIGINS)
    assert found == dict.fromkeys(FOREIGN_ORIGINS, (403, "request.cross_site"))
    assert rig.engine.woken == []


@requirement("access:origin:checked")
async def test_no_page_elsewhere_is_let_read(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    for origin in OWN_ORIGINS[:2] + FOREIGN_ORIGINS:
        for method in ("GET", "POST", "OPTIONS"):
            reply = await server[1].request(
                method, "/api/tasks", headers={"Origin": origin, **asked}
            )
            assert not any(name.startswith("access-control") for name in reply.headers)
            assert reply.headers["vary"] == "Origin"


@requirement("access:origin:listed")
async def test_a_listed_origin_may_ask_and_read_everything(
    server: tuple[Rig, httpx2.AsyncClient],
) -> None:
    _, client = server
    origin = {"Origin": OWN_ORIGINS[2]}
    # Browsers ask beforehand without saying who they are.
    stranger = {"Authorization": "", "Access-Control-Request-Method": "DELETE"}
    reply = await client.request("OPTIONS", "/api/anything", headers={**origin, **stranger})
    assert (reply.status_code, reply.text) == (204, "")
    assert reply.headers["access-control-allow-origin"] == OWN_ORIGINS[2]
    allowed = reply.headers["access-control-allow-headers"].lower().split(", ")
    assert set(allowed) == {
        "authorization",
        "content-type",
        "last-event-id",
        "idempotency-key",
        "mcp-session-id",
        "mcp-protocol-version",
    }
    assert "DELETE" in reply.headers["access-control-allow-methods"]
    for path, status in (("/api/tasks", 200), ("/nope", 404)):
        reply = await client.get(path, headers=origin)
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == OWN_ORIGINS[2]
        assert "access-control-allow-credentials" not in reply.headers
    for refused in ({"Authorization": "Bearer wrong"}, {"Host": "evil.test"}):
        reply = await client.get("/api/tasks", headers={**origin, **refused})
        assert reply.status_code in (401, 421)
        assert reply.headers["access-control-allow-origin"] == OWN_ORIGINS[2]
    written = await client.post("/api/task", json={"task": "Do it."}, headers=origin)
    assert written.status_code == 200


@requirement("access:origin:checked")
async def test_two_origins_are_refused(server: tuple[Rig, httpx2.AsyncClient]) -> None:
    own = ("Origin", OWN_ORIGINS[0])
    assert (await send(server[1], [own, own])).status_code == 403


@requirement("access:origin:checked")
async def test_a_write_that_another_site_causes_is_refused(
    server: tuple[Rig, httpx2.AsyncClient],
) -> None:
    methods = ["POST", "PUT", "PATCH", "DELETE", "MADEUP"]
    sites = ["cross-site", "same-site", "whatever"]
    modes = ["no-cors", "cors", "navigate"]
    for method, site, mode in itertools.product(methods, sites, modes):
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        reply = await server[1].request(method, "/api/task", headers=headers)
        assert (reply.status_code, code(reply)) == (403, "request.cross_site"), headers


@requirement("tasks:submit:not-json")
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/vnd.api+json",
        "text/json",
        "text/plain; application/json",
        "application/json, text/plain",
    ],
)
async def test_a_body_that_is_not_said_to_be_json_is_not_read(
    server: tuple[Rig, httpx2.AsyncClient], content_type: str | None
) -> None:
    rig, client = server
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = json.dumps({"task": "Do it."}).encode()
    for content in (body, in_pieces(body)):
        reply = await client.post("/api/task", content=content, headers=headers)
        assert (reply.status_code, code(reply)) == (415, "request.not_json")
    empty = await client.post("/api/task", headers=headers)
    assert empty.status_code in (400, 415)
    assert rig.engine.woken == []


@requirement("tasks:submit:not-json")
@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_is_read(server: tuple[Rig, httpx2.AsyncClient], content_type: str) -> None:
    reply = await server[1].post(
        "/api/task", content=b'{"task":"Do it."}', headers={"Content-Type": content_type}
    )
    assert reply.status_code == 200


@requirement("access:errors:shape")
async def test_a_body_over_the_limit_is_refused_however_it_comes(
    server: tuple[Rig, httpx2.AsyncClient],
) -> None:
    _, client = server
    json_type = {"Content-Type": "application/json"}
    large = b'{"task":"' + b" " * (2 * 1024 * 1024) + b'"}'
    fits = b'{"x":"' + b" " * (2 * 1024 * 1024 - 27) + b'","task":"Do it."}'
    for content, status in ((large, 413), (in_pieces(large), 413), (in_pieces(fits), 200)):
        reply = await client.post("/api/task", content=content, headers=json_type)
        assert reply.status_code == status, reply.text
    lying = [("Content-Length", "9" * 30), ("Content-Type", "application/json")]
    assert (await send(client, lying)).status_code == 413


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body without a length."""
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]


def code(reply: httpx2.Response) -> str:
    return reply.json()["error"]["code"]


@requirement("access:host:checked")
async def test_a_server_that_others_reach_goes_by_its_own_address_too(tmp_path: Path) -> None:
    options = HttpOptions(is_open=True)
    async with served(tmp_path, options=options, is_durable=False) as (rig, _):
        for host, status in (("192.168.1.5", 200), ("127.0.0.1", 200), ("evil.test", 421)):
            async with client_of(rig.app, base_url=f"http://{host}:3000") as client:
                assert (await client.get("/api/health")).status_code == status
                other = await client.get("/api/health", headers={"Host": "192.168.1.6:3000"})
                assert other.status_code == 421
