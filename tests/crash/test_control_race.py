"""Fifty clients that send, stop, switch, change queues, fork and delete at once, for a while."""

import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from open_agent.scripted.script import Asked, Call, Style, Turn
from open_agent.scripted.server import ScriptedServer
from open_agent.testing.check import check_history
from tests.crash.server_process import ServerProcess
from tests.crash.test_control_kill import wait_until_idle

SECONDS = float(os.environ.get("OPEN_AGENT_RACE_SECONDS", "10"))
CLIENTS = 50
EXPECTED = {200, 201, 400, 404, 409, 422}


def play(asked: Asked) -> Turn:
    """A step with a call now and then, and a word at the end."""
    if asked.messages[-1]["role"] == "user" and len(asked.messages) % 3 == 0:
        return Turn(calls=(Call("run_command", {"command": "sleep 0.05"}),))
    return Turn(text="That is done.", style=Style(chunk_chars=6, delay=0.01))


class Clicker:
    """A client that clicks on anything."""

    def __init__(self, http: httpx2.AsyncClient, seed: int, known: list[str]) -> None:
        self._http = http
        self._chance = random.Random(seed)
        self._known = known
        self.statuses: Counter[int] = Counter()

    async def click(self) -> None:
        """Do one thing."""
        actions = [
            self._send, self._send, self._send, self._steer, self._cancel, self._stop,
            self._switch, self._create, self._delete, self._queue, self._fork, self._release,
        ]  # fmt: skip
        await self._chance.choice(actions)()

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self._http.request(method, f"/api/control{path}", json=body)
        self.statuses[reply.status_code] += 1
        assert reply.status_code in EXPECTED, (method, path, reply.text)
        return reply.json()

    def _any(self) -> str:
        return self._chance.choice(self._known) if self._known else "none"

    async def _send(self) -> None:
        body: dict[str, Any] = {"content": f"do {self._chance.random()}"}
        if self._chance.random() < 0.5:
            body["mission_id"] = self._any()
        await self._ask("POST", "/message", body)

    async def _steer(self) -> None:
        delivery = self._chance.choice(["steer", "interrupt"])
        body = {"content": "mind this", "delivery": delivery, "mission_id": self._any()}
        await self._ask("POST", "/message", body)

    async def _cancel(self) -> None:
        await self._ask("POST", f"/missions/{self._any()}/cancel")

    async def _stop(self) -> None:
        await self._ask("POST", "/cancel", {})

    async def _switch(self) -> None:
        await self._ask("POST", f"/missions/{self._any()}/load")

    async def _create(self) -> None:
        if len(self._known) < 30:
            self._known.append((await self._ask("POST", "/missions", {}))["id"])

    async def _delete(self) -> None:
        id_ = self._any()
        if "deleted" in await self._ask("DELETE", f"/missions/{id_}") and id_ in self._known:
            self._known.remove(id_)

    async def _queue(self) -> None:
        id_ = self._any()
        queue = await self._ask("GET", f"/missions/{id_}/queue")
        ids = [item["id"] for item in queue.get("items", ())]
        if not ids:
            return
        path = f"/missions/{id_}/queue/{self._chance.choice(ids)}"
        match self._chance.randrange(3):
            case 0:
                await self._ask("PATCH", path, {"content": "do another"})
            case 1:
                await self._ask("PATCH", path, {"before": self._chance.choice([*ids, None])})
            case _:
                await self._ask("DELETE", path)

    async def _fork(self) -> None:
        if len(self._known) < 30:
            at = self._chance.randint(1, 40)
            made = await self._ask("POST", f"/missions/{self._any()}/fork", {"at_seq": at})
            if "id" in made:
                self._known.append(made["id"])

    async def _release(self) -> None:
        await self._ask("POST", f"/missions/{self._any()}/queue/release")


@pytest.mark.timeout(SECONDS * 3 + 180)
async def test_fifty_clients_at_once_leave_a_consistent_log(tmp_path: Path) -> None:
    settings = {"MAX_PARALLEL_MISSIONS": "20"}
    with (
        ScriptedServer(play) as model,
        ServerProcess(tmp_path / "data", tmp_path / "work", model.base_url, settings) as server,
    ):
        known: list[str] = []
        async with httpx2.AsyncClient(base_url=server.url, timeout=60) as http:
            clickers = [Clicker(http, seed, known) for seed in range(CLIENTS)]

            async def click_on(clicker: Clicker) -> None:
                while anyio.current_time() < end:
                    await clicker.click()

            end = anyio.current_time() + SECONDS
            async with anyio.create_task_group() as group:
                for clicker in clickers:
                    group.start_soon(click_on, clicker)
            # What is held is let go, so that every message comes to its run.
            page = (await http.get("/api/missions", params={"limit": 200})).json()
            for mission in page["items"]:
                await http.post(f"/api/control/missions/{mission['id']}/queue/release")
        await anyio.to_thread.run_sync(wait_until_idle, server)
        assert not (model.model and model.model.violations)
        server.kill()
    statuses = sum((clicker.statuses for clicker in clickers), Counter[int]())
    assert statuses[200] > 100, statuses
    assert check_history(tmp_path) == []
