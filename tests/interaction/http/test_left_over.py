"""What deleted missions leave behind: nothing, whatever dies or fails in the middle."""

import itertools
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from open_agent.core.ids import CallId, MessageId, MissionId, new_uuid
from open_agent.events.model.base import BlobRef
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.tool import ToolReturned
from tests.histories import begun
from tests.interaction.http.rig import OWNER, served
from tests.interaction.requirements import requirement

MISSIONS = "/api/control/missions"


async def made(client: httpx2.AsyncClient) -> tuple[MissionId, Path]:
    """An empty mission, and the directory it works in, with something in it."""
    mission = (await client.post(MISSIONS)).json()
    folder = Path(mission["workspace"])
    folder.mkdir(parents=True)
    (folder / "work").touch()
    return MissionId(mission["id"]), folder


@requirement("control:missions:deleted")
async def test_deleting_twice_at_once_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as (rig, client):
        id_, folder = await made(client)
        delete_mission, calls = rig.log.real.delete_mission, itertools.count()
        both, committed, refused = anyio.Event(), anyio.Event(), anyio.Event()

        async def in_turn(*args: Any, **kwargs: Any) -> Any:
            if next(calls):
                both.set()
                await committed.wait()
                return await delete_mission(*args, **kwargs)
            await both.wait()
            done = await delete_mission(*args, **kwargs)
            committed.set()
            await refused.wait()
            return done

        async def delete() -> None:
            if (await client.delete(f"{MISSIONS}/{id_}")).status_code == 404:
                refused.set()

        rig.log.put("delete_mission", in_turn)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:
                group.start_soon(delete)
                group.start_soon(delete)
        assert not folder.exists()


@requirement("control:missions:deleted")
async def test_a_removal_that_was_planned_over_another_database_is_not_carried_out(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "work" / "workspaces" / "mission"
    folder.mkdir(parents=True)
    async with served(tmp_path) as (rig, _):
        plan = tmp_path / "data" / "removals" / new_uuid()
        plan.parent.mkdir()
        plan.write_text(str(folder))
        await rig.services.control.removal.finish()
        assert folder.exists()


@requirement("control:missions:deleted")
@pytest.mark.parametrize("is_cleaning", [True, False])
async def test_a_mission_that_is_spoken_to_meanwhile_is_spared(
    tmp_path: Path, is_cleaning: bool
) -> None:
    async with served(tmp_path) as (rig, client):
        id_, _ = await made(client)
        delete_mission = rig.log.real.delete_mission

        async def speak_first(mission_id: MissionId, *args: Any, **kwargs: Any) -> Any:
            said = MessageReceived(
                message_id=MessageId(new_uuid()), sender=OWNER, content="Wait!", delivery="queue"
            )
            await rig.db.log.append_external(mission_id, said, key="message:1", owner=OWNER)
            return await delete_mission(mission_id, *args, **kwargs)

        rig.log.put("delete_mission", speak_first)
        if is_cleaning:
            cleaned = await client.post(f"{MISSIONS}/cleanup", json={})
            assert cleaned.json() == {"ok": True, "deleted_count": 0}
        else:
            assert (await client.delete(f"{MISSIONS}/{id_}")).status_code == 409
        assert (await client.get(f"{MISSIONS}/{id_}/queue")).json()["items"]


@requirement("control:missions:fork")
async def test_a_fork_that_is_refused_leaves_no_outputs(tmp_path: Path) -> None:
    async with served(tmp_path) as (rig, client):
        reply = await client.post("/api/control/message", json={"content": "Do it."})
        id_ = MissionId(reply.json()["mission_id"])
        ref: BlobRef = await rig.db.blobs.put(id_, b"much")
        await rig.append(id_, begun().records[2].event)
        returned = ToolReturned(
            call_id=CallId("a"), name="x", outcome="ok", content="", duration_ms=0, spilled=ref
        )
        await rig.append(id_, returned)
        seq = (await rig.db.missions.get(id_, owner=OWNER)).last_seq
        key = {"Idempotency-Key": "fork-1"}
        made = await client.post(f"{MISSIONS}/{id_}/fork", json={"at_seq": seq}, headers=key)
        assert made.status_code == 201, made.text
        again = await client.post(f"{MISSIONS}/{id_}/fork", json={"at_seq": 2}, headers=key)
        other = await client.post(
            f"{MISSIONS}/{id_}/fork", json={"at_seq": seq, "title": "Other"}, headers=key
        )
        assert (again.status_code, other.status_code) == (409, 409)
        kept = {path.name for path in (tmp_path / "data" / "blobs").glob("*")}
        assert kept == {id_, made.json()["id"]}
