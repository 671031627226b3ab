"""Users for tests, and clients of theirs through every kind of credential."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import httpx2

from open_agent.core.account import Role
from open_agent.core.ids import UserId
from open_agent.server.auth import COOKIE
from open_agent.services.access.rules import AccessRules, NamedUser
from open_agent.testing.asgi import client_of
from tests.interaction.http.rig import SECRET, TOKEN, Rig

ANNA = NamedUser(UserId("id-of-anna"), "anna", "password of anna")
BEN = NamedUser(UserId("id-of-ben"), "ben", "password of ben")
CHIEF = NamedUser(UserId("id-of-chief"), "chief", "password of chief", Role.ADMIN)
MANY = AccessRules(TOKEN, SECRET, users=(ANNA, BEN, CHIEF), has_own_secret=True)
ALONE = AccessRules(TOKEN, SECRET, password="password of one", has_own_secret=True)
ORIGIN = "http://127.0.0.1:3000"

Channel = Literal["bearer", "cookie", "key"]
CHANNELS: tuple[Channel, ...] = ("bearer", "cookie", "key")


async def login(client: httpx2.AsyncClient, username: str | None, password: str) -> httpx2.Response:
    """Ask for a session, as the original's clients do."""
    return await client.post("/api/auth/login", json={"username": username, "password": password})


async def token_of(rig: Rig, user: NamedUser) -> str:
    """A session of one of the users."""
    async with client_of(rig.app) as client:
        reply = await login(client, user.username, user.password)
        assert reply.status_code == 200, reply.text
        return reply.json()["token"]


@asynccontextmanager
async def client_as(
    rig: Rig, user: NamedUser, channel: Channel = "bearer"
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client that is let in as a user through a channel."""
    token = await token_of(rig, user)
    async with client_of(rig.app, token=token) as client:
        if channel == "key":
            made = await client.post("/api/keys", json={"name": "test", "scope": "admin"})
            assert made.status_code == 201, made.text
            client.headers["Authorization"] = f"Bearer {made.json()['key']}"
        elif channel == "cookie":
            del client.headers["Authorization"]
            client.headers["Cookie"] = f"{COOKIE}={token}"
            client.headers["Origin"] = ORIGIN
        yield client
