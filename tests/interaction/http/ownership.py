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

from open_agent.core.ids import MissionId, RunId, new_uuid
from open_agent.core.mcp import ListedTool, McpListing
from open_agent.events.model.run import RunStarted
from tests.histories import begun
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
        query: What the address ends with.
    """

    kind: Kind
    makes: str = ""
    body: dict[str, Any] | None = None
    rest: dict[str, str] = field(default_factory=dict[str, str])
    query: str = ""


OWN, PUBLIC, ADMIN = Rule(Kind.OWN), Rule(Kind.PUBLIC), Rule(Kind.ADMIN)
TASK = Rule(Kind.OBJECT, "task")
MISSION, RUN = Rule(Kind.OBJECT, "mission"), Rule(Kind.OBJECT, "run")
MCP = Rule(Kind.OBJECT, "mcp")
WORKSPACE = Rule(Kind.OBJECT, "workspace")
QUEUED = {"message_id": "00000000-0000-4000-8000-000000000000"}

RULES: dict[str, Rule] = {
    # Whose the objects are that its tools are asked for, `test_mcp_endpoint.py` says.
    "GET /mcp": OWN,
    "POST /mcp": OWN,
    "DELETE /mcp": OWN,
    # Lets in by a word of its own, says `test_mcp_bridge.py`.
    "GET /mcp/bridge": PUBLIC,
    "POST /mcp/bridge": PUBLIC,
    "DELETE /mcp/bridge": PUBLIC,
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
    "GET /api/missions": OWN,
    "GET /api/runs": OWN,
    "GET /api/runs/{id}": RUN,
    "GET /api/runs/{id}/events": RUN,
    "GET /api/runs/{id}/tasks": RUN,
    "GET /api/memory/search": OWN,
    "POST /api/control/message": OWN,
    "POST /api/control/tool_result": OWN,
    "POST /api/control/cancel": OWN,
    "GET /api/control/questions": OWN,
    "GET /api/control/tree": OWN,
    "GET /api/control/progress": OWN,
    "GET /api/control/running": OWN,
    "GET /api/control/stream": OWN,
    "GET /api/control/parallel/config": OWN,
    "GET /api/control/missions": OWN,
    "POST /api/control/missions": OWN,
    "GET /api/control/missions/current": OWN,
    "POST /api/control/missions/cleanup": OWN,
    "GET /api/control/missions/{id}": MISSION,
    "PATCH /api/control/missions/{id}": Rule(Kind.OBJECT, "mission", body={"title": "New"}),
    "DELETE /api/control/missions/{id}": MISSION,
    "GET /api/control/missions/{id}/tree": MISSION,
    "POST /api/control/missions/{id}/load": MISSION,
    "POST /api/control/missions/{id}/status": Rule(
        Kind.OBJECT, "mission", body={"status": "completed"}
    ),
    "POST /api/control/missions/{id}/cancel": MISSION,
    "POST /api/control/missions/{id}/resume": Rule(Kind.OBJECT, "mission", body={}),
    "POST /api/control/missions/{id}/parallel": Rule(
        Kind.OBJECT, "mission", body={"content": "Go on."}
    ),
    "POST /api/control/missions/{id}/fork": Rule(Kind.OBJECT, "mission", body={"at_seq": 1}),
    "GET /api/control/missions/{id}/queue": MISSION,
    "PATCH /api/control/missions/{id}/queue/{message_id}": Rule(
        Kind.OBJECT, "mission", body={"content": "Else."}, rest=QUEUED
    ),
    "DELETE /api/control/missions/{id}/queue/{message_id}": Rule(
        Kind.OBJECT, "mission", rest=QUEUED
    ),
    "POST /api/control/missions/{id}/queue/release": MISSION,
    "GET /api/mcp": OWN,
    "POST /api/mcp": OWN,
    "POST /api/mcp/refresh": OWN,
    "POST /api/mcp/import": OWN,
    "GET /api/mcp/oauth/callback": PUBLIC,
    "GET /api/mcp/{id}": MCP,
    "PATCH /api/mcp/{id}": Rule(Kind.OBJECT, "mcp", body={"description": "Else."}),
    "DELETE /api/mcp/{id}": MCP,
    "POST /api/mcp/{id}/enable": MCP,
    "POST /api/mcp/{id}/disable": MCP,
    "POST /api/mcp/{id}/refresh": MCP,
    "GET /api/mcp/{id}/resources": MCP,
    "GET /api/mcp/{id}/resources/read": Rule(Kind.OBJECT, "mcp", query="uri=test:x"),
    "GET /api/mcp/{id}/prompts": MCP,
    "POST /api/mcp/{id}/prompts/{name}": Rule(Kind.OBJECT, "mcp", body={}, rest={"name": "greet"}),
    "GET /api/tools": OWN,
    "POST /api/tools/{name}/toggle": Rule(Kind.OBJECT, "tool", body={"enabled": False}),
    "GET /api/workspaces": OWN,
    "POST /api/workspaces": OWN,
    "GET /api/workspaces/{id}": WORKSPACE,
    "PATCH /api/workspaces/{id}": Rule(Kind.OBJECT, "workspace", body={"is_kept": True}),
    "DELETE /api/workspaces/{id}": WORKSPACE,
    "GET /api/workspaces/{id}/diff": WORKSPACE,
    "POST /api/workspaces/{id}/merge": WORKSPACE,
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


async def make_mission(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A mission of the client's with a message that waits for a worker."""
    del rig
    made = await client.post("/api/control/missions", json={})
    id_ = made.json()["id"]
    sent = await client.post("/api/control/message", json={"content": "anna's", "mission_id": id_})
    assert sent.status_code == 200, sent.text
    return id_


async def make_run(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A run of the client's."""
    mission_id = MissionId(await make_mission(rig, client))
    epoch = await rig.db.leases.claim(mission_id, "test")
    mission = await rig.db.missions.get_for_system(mission_id)
    assert epoch is not None
    run_id = RunId(new_uuid())
    started = begun().records[2].event
    assert isinstance(started, RunStarted)
    event = started.model_copy(update={"message_ids": [], "root_run_id": run_id})
    await rig.db.log.append(mission_id, epoch, [event], run_id=run_id, known_seq=mission.last_seq)
    return run_id


async def make_mcp(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A server of the client's, which is not used."""
    del rig
    config = {"stdio": {"command": "/nowhere/to/be/found"}}
    body = {"name": new_uuid(), "transport": config, "shared": False, "enabled": False}
    made = await client.post("/api/mcp", json=body)
    assert made.status_code == 200, made.text
    return made.json()["id"]


async def make_tool(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A tool of a server of the client's."""
    id_ = await make_mcp(rig, client)
    listing = McpListing(tools=(ListedTool("look", "Look.", {"type": "object"}),))
    await rig.db.mcp.listed_for_system(id_, listing)
    await rig.services.mcp.directory.refresh()
    tools = (await client.get("/api/tools")).json()
    return next(
        t["name"] for t in tools if t["source"] != "builtin" and t["source"]["mcp"]["id"] == id_
    )


async def make_workspace(rig: Rig, client: httpx2.AsyncClient) -> str:
    """A workspace of the client's: the directory of a mission, with a row of its own."""
    del rig
    id_ = (await client.post("/api/control/missions", json={})).json()["id"]
    kept = await client.patch(f"/api/workspaces/{id_}", json={"is_kept": True})
    assert kept.status_code == 200, kept.text
    return id_


Make = Callable[[Rig, httpx2.AsyncClient], Awaitable[str]]
MAKERS: dict[str, Make] = {
    "task": make_task,
    "key": make_key,
    "mission": make_mission,
    "run": make_run,
    "mcp": make_mcp,
    "tool": make_tool,
    "workspace": make_workspace,
}
