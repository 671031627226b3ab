"""A worker over a real database, with either backend, and the scripted model behind it by HTTP.

What a test has the model do is said in words of its own (`command`, `reading`, `writing`), which
become calls of the tools that the backend has.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio

from open_agent.agent.context import Collaborators
from open_agent.agent.limits import Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.agent.toolsets import FixedTools
from open_agent.backends.native import NativeBackend
from open_agent.backends.opencode.backend import Handling, OpenCodeBackend
from open_agent.backends.opencode.bounds import Bounds
from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.protocol.wire import ModelRef
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.worker import Ground, Worker
from open_agent.models.client import ModelClient
from open_agent.models.deadlines import Deadlines
from open_agent.models.router import ModelRouter
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Asked, Call, Script
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.tools.standard import standard_tools
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.interaction.agent.rig import FlatPrice, NothingToMake, NoWeb, Window
from tests.interaction.agent.rig import Rig as WorkerRig

Kind = Literal["native", "opencode"]
MODEL = "scripted"
PATH = "/usr/bin:/bin"


def is_opencode(asked: Asked) -> bool:
    """Whether it is OpenCode that asks."""
    tools: list[dict[str, Any]] = asked.body.get("tools") or []
    return any(tool["function"]["name"] == "bash" for tool in tools)


def command(asked: Asked, line: str) -> Call:
    """A call that runs a command."""
    if is_opencode(asked):
        return Call("bash", {"command": line, "description": "as asked"})
    return Call("run_command", {"command": line})


def reading(asked: Asked, path: str) -> Call:
    """A call that reads a file."""
    if is_opencode(asked):
        return Call("read", {"filePath": path})
    return Call("read_file", {"path": path})


def writing(asked: Asked, path: str, content: str) -> Call:
    """A call that writes a file."""
    if is_opencode(asked):
        return Call("write", {"filePath": path, "content": content})
    return Call("write_file", {"path": path, "content": content})


def said(asked: Asked) -> str:
    """Everything that people and the server said to the model so far."""
    return "\n".join(_text(m) for m in asked.messages if m["role"] == "user")


def results(asked: Asked) -> list[str]:
    """What tools answered so far."""
    return [_text(message) for message in asked.messages if message["role"] == "tool"]


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


@dataclass
class Rig(WorkerRig):
    """A worker with one backend."""

    kind: Kind
    server: OpenCodeServer | None
    backend: OpenCodeBackend | NativeBackend

    @asynccontextmanager
    async def working(self, mission_id: MissionId) -> AsyncGenerator[None]:
        """Work on a mission meanwhile; leaving waits until it ends or parks."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.work, mission_id)
            yield

    async def finish(self, mission_id: MissionId) -> None:
        """Work on a mission until its run is over, however often it parks; no wait is waited for."""
        with anyio.fail_after(120):
            while (await self.look_at(mission_id)).state.run is not None:
                await self.work(mission_id)

    async def until(
        self, mission_id: MissionId, is_there: Callable[[Sequence[Any]], bool], seconds: float = 90
    ) -> list[Any]:
        """Wait until the events of a mission's log satisfy a test."""
        with anyio.fail_after(seconds), self.feed.watch(mission_id) as watch:
            while True:
                events = [record.event for record in await self.database.log.read(mission_id)]
                if is_there(events):
                    return events
                await watch.changed(0.5)


@asynccontextmanager
async def backend_rig(
    kind: Kind,
    folder: Path,
    model: ScriptedModel,
    base_url: str,
    script: Script,
    *,
    server: OpenCodeServer | None = None,
    handling: Handling | None = None,
    policy: Sequence[Rule] = (),
    bounds: Bounds | None = None,
    deadlines: Deadlines | None = None,
    database: Database | None = None,
    **rules: Any,
) -> AsyncGenerator[Rig]:
    """A worker whose runs are carried out by one backend."""
    model.script = script
    model.violations.clear()
    clock, feed = SystemClock(), Feed()
    workspace = folder / "work"
    workspace.mkdir(parents=True, exist_ok=True)
    opened = database or await open_database(folder / "data", clock)
    async with opened, SupervisedProcesses(folder / "worker.lock") as processes:
        router = ModelRouter(
            ModelClient(base_url, None, clock, deadlines), {}, FlatPrice(), is_endpoint_free=False
        )
        shared = Collaborators(
            log=opened.log,
            rules=Rules(prices=router, windows=Window(), **rules),
            clock=clock,
            models=router,
            tools=FixedTools({each: standard_tools(each) for each in MissionKind}),
            policy=Policy(tuple(policy)),
            delegation=Delegations(opened.log, opened.missions, feed, clock, "host"),
            blobs=opened.blobs,
            deltas=feed,
            http=NoWeb(),
            search=NoWeb(),
        )

        backend: OpenCodeBackend | NativeBackend = NativeBackend()
        if kind == "opencode":
            assert server is not None
            models = OpenCodeModels(server, offered=lambda: [ModelRef("endpoint", MODEL)])
            handling = handling or Handling(bounds=bounds or Bounds())
            backend = OpenCodeBackend(server, models, handling)
        defaults = RunDefaults(MODEL, None, Limits(budget_microdollars=0), kind)
        isolation = HostIsolation(processes, {"PATH": PATH})
        ground = Ground(isolation, NothingToMake(), processes)
        worker = Worker(shared, ground, {kind: backend}, defaults)
        made = Rig(opened, worker, model, feed, processes, workspace, kind, server, backend)
        opened.log.on_commit(made.hear)
        try:
            yield made
        finally:
            await router.close()
