"""The layers around all routes, for what is not plain HTTP: WebSockets, and what servers send."""

from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from open_agent.core.actor import Actor
from open_agent.core.clock import SystemClock
from open_agent.core.ids import UserId
from open_agent.server.auth import ACTOR, Authentication
from open_agent.server.perimeter import Perimeter
from open_agent.services.access.directory import Directory
from open_agent.services.access.gate import Access
from open_agent.services.access.rules import AccessRules
from open_agent.services.access.tokens import Tokens
from open_agent.testing.database import open_memory_database

TOKEN = "t" * 43
GOOD = [("host", "127.0.0.1:3000"), ("authorization", f"Bearer {TOKEN}")]
OWN = ("origin", "http://127.0.0.1:3000")


class Inside:
    """What the layers protect; remembers who came in."""

    def __init__(self) -> None:
        self.came_in: list[Actor] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.came_in.append(scope[ACTOR])
        await send({"type": "websocket.accept"})


def access_of(*, is_dev_mode: bool) -> Access:
    clock, rules = SystemClock(), AccessRules(TOKEN, TOKEN, is_dev_mode=is_dev_mode)
    store = open_memory_database(Path("nowhere")).accounts
    tokens = Tokens(TOKEN, clock, lifetime=rules.lifetime)
    return Access(Directory(store, rules), tokens, store, clock)


async def connect(
    headers: list[tuple[str, str]], *, peer: str = "127.0.0.1", is_dev_mode: bool = False
) -> tuple[Inside, list[Message]]:
    """Open a WebSocket through the layers."""
    inside = Inside()
    access = access_of(is_dev_mode=is_dev_mode)
    app = Perimeter(Authentication(inside, access=access))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/api/health",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "client": (peer, 5000),
    }
    await app(scope, receive, send)
    return inside, sent


@pytest.mark.parametrize("headers", [GOOD, [*GOOD, OWN]])
async def test_a_websocket_with_a_token_comes_in(headers: list[tuple[str, str]]) -> None:
    inside, sent = await connect(headers)
    assert sent == [{"type": "websocket.accept"}]
    assert inside.came_in == [Actor(UserId("default"), is_admin=True)]


@pytest.mark.parametrize(
    "headers",
    [
        GOOD[:1],
        GOOD[1:],
        [("host", "evil.test"), GOOD[1]],
        [*GOOD, ("host", "evil.test")],
        [*GOOD, ("origin", "http://evil.test")],
        [*GOOD, ("origin", "http://127.0.0.1:3001")],
        [*GOOD, ("origin", "null")],
        [*GOOD, OWN, OWN],
        [*GOOD, ("sec-fetch-site", "cross-site")],
        [*GOOD, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        [GOOD[0], ("authorization", "Bearer wrong")],
        [GOOD[0], ("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")],
    ],
)
async def test_any_other_websocket_is_closed_before_it_opens(
    headers: list[tuple[str, str]],
) -> None:
    inside, sent = await connect(headers)
    assert inside.came_in == []
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_dev_mode_holds_for_websockets_of_programs_here() -> None:
    assert (await connect(GOOD[:1], is_dev_mode=True))[0].came_in
    assert (await connect([GOOD[0], OWN], is_dev_mode=True))[0].came_in
    evil = ("origin", "http://evil.test")
    assert not (await connect([GOOD[0], evil], is_dev_mode=True))[0].came_in
    assert not (await connect(GOOD[:1], is_dev_mode=True, peer="10.0.0.1"))[0].came_in


async def test_what_is_neither_http_nor_a_websocket_passes() -> None:
    seen: list[str] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(message: Message) -> None:
        raise AssertionError(message)

    async def receive() -> Message:
        raise AssertionError

    app = Perimeter(Authentication(inside, access=access_of(is_dev_mode=False)))
    await app({"type": "lifespan"}, receive, nothing)
    assert seen == ["lifespan"]
