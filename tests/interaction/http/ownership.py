"""What is right for each route when somebody asks for what is another's: the table of the matrix.

A new route needs a line here. `Kind.OBJECT` has an object in its path that `MAKERS` can make;
whoever does not own it must be answered as if it were not there. `Kind.OWN` answers with the
caller's own things only, `Kind.ADMIN` is for administrators, `Kind.PUBLIC` for everybody.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import httpx2

from tests.interaction.http.rig import Rig


class Kind(Enum):
    """Who may ask."""

    PUBLIC = "public"
    OWN = "own"
    OBJECT = "object"
    ADMIN = "admin"


@dataclass(frozen=True)
class Rule:
    """A route's line.

    Attributes:
        makes: Which of `MAKERS` makes the object in the path.
        body: What to send, so that the answer is about the object.
        rest: What stands at further places of the path.
    """

    kind: Kind
    makes: str = ""
    body: dict[str, Any] | None = None
    rest: dict[str, str] = field(default_factory=dict[str, str])


OWN, PUBLIC, ADMIN = Rule(Kind.OWN), Rule(Kind.PUBLIC), Rule(Kind.ADMIN)
TASK = Rule(Kind.OBJECT, "task")

RULES: dict[str, Rule] = {
    "GET /api/health": PUBLIC,
    "GET /api/ready": PUBLIC,
    "GET /link": PUBLIC,
    "POST /api/auth/login": PUBLIC,
    "POST /api/auth/session": PUBLIC,
    "GET /api/status": OWN,
    "GET /api/auth/me": OWN,
    "POST /api/auth/logout": OWN,
    "POST /api/auth/link": OWN,
    "POST /api/auth/password": OWN,
    "GET /api/keys": OWN,
    "POST /api/keys": OWN,
    "DELETE /api/keys/{id}": Rule(Kind.OBJECT, "key"),
    "GET /api/users": ADMIN,
    "POST /api/users": Rule(Kind.ADMIN, body={"username": "new", "password": "long enough"}),
    "GET /api/users/{id}": ADMIN,
    "PATCH /api/users/{id}": Rule(Kind.ADMIN, body={"role": "member"}),
    "DELETE /api/users/{id}": ADMIN,
    "GET /api/audit": ADMIN,
    "POST /api/task": OWN,
    "GET /api/tasks": OWN,
    "GET /api/stats": OWN,
    "GET /api/task/{id}": TASK,
    "POST /api/task/{id}/stop": TASK,
    "GET /api/task/{id}/stream": TASK,
    "GET /api/missions/{id}/events": TASK,
    "GET /api/missions/{id}/stream": TASK,
    "GET /api/missions/{id}/processes": TASK,
    "POST /api/missions/{id}/processes/{pid}/stop": Rule(Kind.OBJECT, "task", rest={"pid": "1"}),
}


async def make_task(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A task of the client's."""
    return await rig.submit(client)


async def make_key(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A key of the client's."""
    del rig
    made = await client.post("/api/keys", json={"name": "to be asked for"})
    assert made.status_code == 201, made.text
    return made.json()["id"]


Make = Callable[[Rig, httpx2.AsyncClient], Awaitable[str]]
MAKERS: dict[str, Make] = {"task": make_task, "key": make_key}
