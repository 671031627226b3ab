"""Who carries runs out, and with which model: settled when work is handed over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.servers.attached import Address, AttachedServer
from open_agent.core.ids import MissionId
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from tests.interaction.http.rig import OpenCode, Rig, served
from tests.interaction.opencode.fake import Fake, Serving
from tests.interaction.requirements import requirement


def provider(name: str, *models: str) -> dict[str, Any]:
    listed = {id_: {"id": id_, "providerID": name} for id_ in models}
    return {"id": name, "models": listed}


PROVIDERS = {
    "providers": [
        provider("anthropic", "claude-opus-4-5-20251101", "claude-sonnet-4-5"),
        provider("openrouter", "openai/gpt-5"),
    ]
}


@dataclass
class Beside:
    """A server beside which there is an OpenCode."""

    rig: Rig
    client: httpx2.AsyncClient
    opencode: Serving

    async def options(self, mission_id: str) -> tuple[str | None, str | None]:
        """The backend and the model of the newest message."""
        records = await self.rig.db.log.read(MissionId(mission_id))
        messages = [r.event for r in records if isinstance(r.event, MessageReceived)]
        return messages[-1].options.backend, messages[-1].options.model

    async def looked_at(self, path: str = "/api/health") -> dict[str, Any]:
        """What is said of the server once OpenCode has been looked at, which it does not wait for."""
        with anyio.fail_after(20):
            while True:
                found: dict[str, Any] = (await self.client.get(path)).json()
                if found["opencode"]["phase"] != "starting":
                    return found

    async def refused(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        reply = await self.client.post(path, json=body)
        return reply.status_code, reply.json()["error"]


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Beside]:
    serving = await Fake(providers=PROVIDERS).serve()
    server = AttachedServer(Address(serving.url))
    opencode = OpenCode(server, OpenCodeModels(server, unchosen={"demo"}))
    async with served(tmp_path, is_durable=False, opencode=opencode) as (rig, client):
        yield Beside(rig, client, serving)
    await server.close()
    await serving.close()


@requirement("backends:choice")
async def test_a_task_says_who_carries_it_out(beside: Beside) -> None:
    for asked, kept in ((None, None), ("native", "native"), (" opencode ", "opencode")):
        body = {"task": "Do it.", "backend": asked}
        reply = await beside.client.post("/api/task", json=body)
        assert reply.status_code == 200, reply.text
        assert await beside.options(reply.json()["id"]) == (kept, None)


@requirement("backends:choice")
async def test_a_mission_has_a_backend_and_a_message_may_have_another(beside: Beside) -> None:
    made = await beside.client.post("/api/control/missions", json={"backend": "opencode"})
    mission_id = made.json()["id"]
    (created, *_) = await beside.rig.db.log.read(MissionId(mission_id))
    assert isinstance(created.event, MissionCreated)
    assert created.event.backend == "opencode"
    # The model is that of whoever will work: OpenCode here, our own loop there.
    message = {"content": "Do it.", "mission_id": mission_id, "model": "claude-sonnet-4-5"}
    await beside.client.post("/api/control/message", json=message)
    assert await beside.options(mission_id) == (None, "anthropic/claude-sonnet-4-5")
    await beside.client.post("/api/control/message", json={**message, "backend": "native"})
    assert await beside.options(mission_id) == ("native", "claude-sonnet-4-5")
    status, body = await beside.refused("/api/control/message", {**message, "model": "gpt-4"})
    assert (status, body["code"]) == (422, "model.unknown")


@requirement("backends:choice")
async def test_a_fork_and_a_first_message_keep_the_backend(beside: Beside) -> None:
    sent = await beside.client.post(
        "/api/control/message", json={"content": "Do it.", "backend": "opencode"}
    )
    mission_id = sent.json()["mission_id"]
    forked = await beside.client.post(
        f"/api/control/missions/{mission_id}/fork", json={"at_seq": 2}
    )
    for id_ in (mission_id, forked.json()["id"]):
        (created, *_) = await beside.rig.db.log.read(MissionId(id_))
        assert isinstance(created.event, MissionCreated)
        assert created.event.backend == "opencode"


@requirement("backends:choice")
@pytest.mark.parametrize("path", ["/api/task", "/api/control/missions", "/api/control/message"])
async def test_a_backend_that_is_not_here_is_refused_with_what_is(
    beside: Beside, tmp_path: Path, path: str
) -> None:
    body = {"task": "Do it.", "content": "Do it.", "backend": "claude"}
    status, said = await beside.refused(path, body)
    assert (status, said["code"]) == (422, "backend.unknown")
    assert said["details"]["known"] == ["native", "opencode"]
    async with served(tmp_path / "alone", is_durable=False) as (_, client):
        reply = await client.post(path, json={**body, "backend": "opencode"})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"]) == (422, "backend.unknown")
        assert "OPENCODE_MANAGED" in error["message"]


@requirement("backends:models")
@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("claude-opus-4-5-20251101", "anthropic/claude-opus-4-5-20251101"),
        ("openai/gpt-5", "openrouter/openai/gpt-5"),
        ("gpt-5", "openrouter/openai/gpt-5"),
        (" anthropic/claude-sonnet-4-5 ", "anthropic/claude-sonnet-4-5"),
        ("demo", None),
    ],
)
async def test_a_model_is_settled_when_work_is_handed_over(
    beside: Beside, asked: str, kept: str | None
) -> None:
    """W3: ids without a provider, as the original's clients send them, are not lost."""
    body = {"task": "Do it.", "model": asked, "backend": "opencode"}
    reply = await beside.client.post("/api/task", json=body)
    assert reply.status_code == 200, reply.text
    assert await beside.options(reply.json()["id"]) == ("opencode", kept)


@requirement("backends:models")
@pytest.mark.parametrize("name", ["model", "model_override"])
async def test_an_unknown_model_is_refused_with_those_that_are_near(
    beside: Beside, name: str
) -> None:
    path = "/api/task" if name == "model" else "/api/control/missions"
    body = {"task": "Do it.", name: "claude-sonet-4-5", "backend": "opencode"}
    status, said = await beside.refused(path, body)
    assert (status, said["code"]) == (422, "model.unknown")
    assert said["details"]["near"][0] == "anthropic/claude-sonnet-4-5"
    assert "anthropic/claude-sonnet-4-5" in said["message"]


@requirement("backends:unreachable")
async def test_an_opencode_that_is_gone_is_said_with_what_to_do(beside: Beside) -> None:
    await beside.opencode.close()
    body = {"task": "Do it.", "model": "gpt-5", "backend": "opencode"}
    status, said = await beside.refused("/api/task", body)
    assert (status, said["code"]) == (503, "opencode.unreachable")
    assert "OPENCODE_BASE_URL" in said["message"]
    # Without a model there is nothing to ask, and the run waits until OpenCode is back.
    reply = await beside.client.post("/api/task", json={**body, "model": None})
    assert reply.status_code == 200


@requirement("backends:health")
async def test_health_says_how_opencode_is_and_not_where(beside: Beside) -> None:
    health, status = await beside.looked_at(), await beside.looked_at("/api/status")
    well = {
        "kind": "attached",
        "phase": "ready",
        "version": "1.18.33",
        "code": None,
        "problem": None,
    }
    assert (health["opencode"], status["opencode"]) == (well, well)
    assert (health["backend"], health["status"]) == ("native", "ok")


@requirement("backends:health")
async def test_health_says_what_is_wrong_with_opencode(beside: Beside) -> None:
    beside.opencode.fake.version = "2.0.1"
    health = (await beside.looked_at())["opencode"]
    assert (health["phase"], health["version"]) == ("failed", "2.0.1")
    assert health["code"] == "opencode.version"
    assert beside.opencode.url not in health["problem"]
    status = (await beside.client.get("/api/status")).json()["opencode"]
    assert beside.opencode.url in status["problem"]


@requirement("backends:health")
async def test_health_says_that_opencode_wants_another_password(beside: Beside) -> None:
    beside.opencode.fake.password_header = "Basic of another"
    health = (await beside.looked_at())["opencode"]
    assert (health["phase"], health["code"]) == ("failed", "opencode.password")
    assert health["problem"] == "It wants another password."
    status = (await beside.client.get("/api/status")).json()["opencode"]
    assert "OPENCODE_SERVER_PASSWORD" in status["problem"]


@requirement("backends:health")
async def test_health_does_not_wait_for_an_opencode_that_hangs(beside: Beside) -> None:
    beside.opencode.fake.mute = 1000
    first = (await beside.client.get("/api/health")).json()
    assert (first["status"], first["opencode"]["phase"]) == ("ok", "starting")
    assert (await beside.looked_at())["opencode"]["code"] == "opencode.unreachable"
