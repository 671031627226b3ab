"""What users have with MCP servers, when they may not come any more."""

import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.interaction.http.rig import served
from tests.interaction.http.test_mcp_registry import CANARY, SMALL, until
from tests.interaction.http.test_users import add, signed_in
from tests.interaction.requirements import requirement
from tests.running import gone, running

pytestmark = [pytest.mark.timeout(60)]


async def connect(client: httpx2.AsyncClient, mark: str, **fields: Any) -> str:
    """A server of one's own, at work; its id."""
    stdio = {"command": sys.executable, "args": [SMALL, mark], "env": {"TOKEN": CANARY}}
    body = {"name": "small", "transport": {"stdio": stdio}, **fields}
    id_ = (await client.post("/api/mcp", json=body)).json()["id"]
    await client.post(f"/api/mcp/{id_}/refresh")
    await until(client, id_, lambda state: state["status"] == "connected")
    assert running(mark)
    return id_


@requirement("mcp:users:deleted")
async def test_a_deleted_user_leaves_no_server_no_secret_and_no_process(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        chief, dora = await add(owner, "chief", role="admin"), await add(owner)
        async with signed_in(rig, "chief") as admin, signed_in(rig) as client:
            shared = await connect(admin, f"of-all-{tmp_path}")
            own = await connect(client, f"of-dora-{tmp_path}")
            await client.post(f"/api/mcp/{shared}/refresh")
            await until(client, shared, lambda state: state["status"] == "connected")
            await client.post("/api/tools/web_search/toggle", json={"enabled": False})
            assert len(running(f"of-all-{tmp_path}")) == 2
            gone_ = await admin.delete(f"/api/users/{dora['id']}")
            assert gone_.status_code == 204
            await gone(f"of-dora-{tmp_path}", seconds=5)
            assert len(running(f"of-all-{tmp_path}")) == 1, "the administrator's own stays"
            kept = await rig.db.mcp.snapshot_for_system()
            assert own not in {each.id for each in kept.servers}
            assert {whose for _, whose, _, _ in kept.named} == {chief["id"]}
            assert not kept.switched_off
            names = [each["name"] for each in (await admin.get("/api/mcp")).json()]
            assert "small" in names


@requirement("mcp:users:disabled")
async def test_a_disabled_user_keeps_what_is_configured_and_no_process(tmp_path: Path) -> None:
    async with served(tmp_path, is_durable=False) as (rig, owner):
        await add(owner, "chief", role="admin")
        dora = await add(owner)
        async with signed_in(rig, "chief") as admin:
            async with signed_in(rig) as client:
                own = await connect(client, f"of-dora-{tmp_path}")
            path = f"/api/users/{dora['id']}"
            await admin.patch(path, json={"is_disabled": True})
            await gone(f"of-dora-{tmp_path}", seconds=5)
            await admin.patch(path, json={"is_disabled": False})
            async with signed_in(rig) as client:
                found = (await client.get(f"/api/mcp/{own}")).json()
                assert found["transport"]["stdio"]["env"] == {"TOKEN": "****"}
