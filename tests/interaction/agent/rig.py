"""A worker on a real database with a scripted model: everything but HTTP and the scheduler."""

import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2

from open_agent.agent.context import Collaborators, sees_nothing
from open_agent.agent.limits import Rules
from open_agent.agent.policy import Policy, Rule
from open_agent.agent.start import RunDefaults
from open_agent.agent.toolsets import FixedTools, ToolSource
from open_agent.backends.absent import AbsentBackend
from open_agent.backends.native import NativeBackend
from open_agent.core.clock import SystemClock
from open_agent.core.ids import CallId, MessageId, MissionId, UserId, WorkspaceId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Usage
from open_agent.engine.delegation import Delegations
from open_agent.engine.feed import Feed
from open_agent.engine.preparing import Prepared
from open_agent.engine.worker import Ground, Worker
from open_agent.events.fold import MissionState, fold
from open_agent.events.log import EncodedRecord
from open_agent.events.model.answer import AnswerGiven
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.run import RunFinished
from open_agent.events.record import Record
from open_agent.models.client import ModelClient
from open_agent.models.deadlines import Deadlines
from open_agent.models.router import ModelRouter
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.script import Script
from open_agent.scripted.transport import ScriptedTransport
from open_agent.store.database import Database, open_database
from open_agent.tools.definition import Effect, Tool, ToolContext, ToolFailed, tool
from open_agent.tools.ports import HttpFetcher, SearchAnswer, WebPage, WebSearch, WebUnavailable
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.supervised import SupervisedProcesses

OWNER = UserId("default")


@tool(effect=Effect.READ, timeout=5)
async def look(ctx: ToolContext, name: str = "") -> str:
    """Look at something.

    Args:
        name: At what.
    """
    ctx.emit(f"looking at {name}")
    return f"{name} looks fine"


@tool(effect=Effect.WRITE, timeout=5)
async def note(ctx: ToolContext, text: str) -> str:
    """Add a line to the notes.

    Args:
        text: The line.
    """
    path = ctx.workspace.resolve("notes.txt")
    is_there = await anyio.Path(path).exists()
    before = await ctx.workspace.read_with(path, lambda f: f.read()) if is_there else b""
    await ctx.workspace.write(path, before + text.encode() + b"\n")
    return "noted"


def hanging(workspace: Path) -> str:
    """The command of `hang`, by which only those of one workspace are found."""
    return f"sleep 86399.{zlib.crc32(str(workspace).encode())}"


@tool(effect=Effect.EXECUTE, timeout=60)
async def hang(ctx: ToolContext) -> str:
    """Never return."""
    command = hanging(ctx.workspace.root).split()
    process = await ctx.workspace.start(command, owner=ctx.owner)
    try:
        await process.wait()
    finally:
        with anyio.CancelScope(shield=True):
            await process.terminate(0.1)
    return "woke up"


@tool(effect=Effect.EXECUTE, timeout=5)
async def fail(ctx: ToolContext, why: str = "it cannot be done") -> str:
    """Fail.

    Args:
        why: The reason to give.
    """
    raise ToolFailed(why)


@tool(effect=Effect.EXECUTE, timeout=5)
async def crash(ctx: ToolContext) -> str:
    """Have a bug."""
    raise ZeroDivisionError("a bug of ours")


class NothingToMake:
    """Workspaces that are there."""

    async def awaited(self, workspace_id: WorkspaceId) -> str | None:
        """Nothing."""
        del workspace_id

    async def make(
        self, workspace_id: WorkspaceId, mission_id: MissionId, say: Callable[[str], None]
    ) -> Prepared:
        """Is never asked for."""
        raise AssertionError(workspace_id)


class NoWeb(HttpFetcher, WebSearch):
    """Nothing is reachable."""

    async def get(self, url: str, *, max_bytes: int) -> WebPage:
        raise WebUnavailable("no web here")

    async def search(self, query: str, *, limit: int) -> SearchAnswer:
        raise WebUnavailable("no web here")


class FlatPrice:
    """A micro-dollar a byte and two a token of output; unknown for `unknown/model`."""

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        return None if model == "unknown/model" else request_bytes + 2 * max_tokens

    def cost(self, model: str, usage: Usage) -> int | None:
        return usage.input_tokens + 2 * usage.output_tokens


@dataclass
class Window:
    """What every model can take and give."""

    context: int = 100_000
    output: int = 1_000

    def context_tokens(self, model: str) -> int:
        return self.context

    def output_tokens(self, model: str) -> int:
        return self.output


@dataclass
class Rig:
    """A worker, its database and its model."""

    database: Database
    worker: Worker
    model: ScriptedModel
    feed: Feed
    processes: SupervisedProcesses
    workspace: Path

    async def submit(
        self,
        text: str = "Do it.",
        *,
        options: RunOptions | None = None,
        owner: UserId = OWNER,
        kind: MissionKind = MissionKind.TASK,
        message_id: MessageId | None = None,
    ) -> MissionId:
        mission_id = MissionId(new_uuid())
        message = self.message(text, options=options)
        if message_id is not None:
            message = message.model_copy(update={"message_id": message_id})
        await self.database.log.open_mission(
            mission_id,
            MissionCreated(
                owner_id=owner,
                kind=kind,
                workspace=str(self.workspace),
                is_workspace_ours=True,
                host_id="host",
            ),
            message,
            key=None,
            digest="",
        )
        return mission_id

    def message(
        self, text: str, delivery: Delivery = "queue", options: RunOptions | None = None
    ) -> MessageReceived:
        return MessageReceived(
            message_id=MessageId(new_uuid()),
            sender=OWNER,
            content=text,
            delivery=delivery,
            options=options or RunOptions(),
        )

    async def say(self, mission_id: MissionId, text: str, delivery: Delivery) -> None:
        message = self.message(text, delivery)
        await self.database.log.append_external(
            mission_id, message, key=message.message_id, owner=OWNER
        )

    async def answer(self, mission_id: MissionId, call_id: str, answer: Any) -> None:
        given = AnswerGiven(call_id=CallId(call_id), answer=answer, by=OWNER)
        await self.database.log.append_external(
            mission_id, given, key=f"answer:{call_id}", owner=OWNER
        )

    async def cancel(self, mission_id: MissionId) -> None:
        mission = await self.database.missions.get_for_system(mission_id)
        owner = mission.owner_id
        await self.database.log.append_external(
            mission_id, CancelRequested(by=owner), key=new_uuid(), owner=owner
        )

    async def work(self, mission_id: MissionId) -> None:
        """Claim the mission and carry it on until it ends or parks."""
        epoch = await self.database.leases.claim(mission_id, "test")
        assert epoch is not None
        try:
            await self.worker.work(mission_id, epoch)
        finally:
            await self.database.leases.release(mission_id, epoch)

    async def run(self, text: str = "Do it.", **options: Any) -> "Ended":
        """Submit, work, and look at what came of it."""
        mission_id = await self.submit(text, options=RunOptions(**options))
        await self.work(mission_id)
        return await self.look_at(mission_id)

    def hear(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """What the engine does with commits."""
        self.feed.committed(owner, records)
        for record in records:
            ctx = self.worker.contexts.get(record.mission_id)
            if ctx is not None:
                ctx.hear(record)

    async def look_at(self, mission_id: MissionId) -> "Ended":
        records = await self.database.log.read(mission_id)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert not self.model.violations
        return Ended(mission_id, records, fold(records))


@dataclass
class Ended:
    """What is on the log of a mission."""

    mission_id: MissionId
    records: Sequence[Record]
    state: MissionState

    @property
    def types(self) -> list[str]:
        return [record.event.type for record in self.records]

    def events(self, kind: type[Any]) -> list[Any]:
        return [record.event for record in self.records if isinstance(record.event, kind)]

    @property
    def end(self) -> RunFinished:
        [end] = self.events(RunFinished)
        return end


@asynccontextmanager
async def rig(tmp_path: Path, script: Script, **options: Any) -> AsyncGenerator[Rig]:
    """A rig on a database of its own; `options` as `rig_on` has them."""
    async with (
        await open_database(tmp_path / "data", SystemClock()) as database,
        rig_on(database, tmp_path, script, **options) as made,
    ):
        yield made


@asynccontextmanager
async def rig_on(
    database: Database,
    tmp_path: Path,
    script: Script,
    *,
    tools: Sequence[Tool] = (look, note, hang, fail, crash),
    window: Window | None = None,
    fallback: str | None = None,
    deadlines: Deadlines | None = None,
    policy: Sequence[Rule] = (),
    source: ToolSource | None = None,
    sees: Callable[[str], bool] = sees_nothing,
    **rules: Any,
) -> AsyncGenerator[Rig]:
    """A worker on a database, with a model that plays `script`; `rules` as `Rules` has them."""
    clock = SystemClock()
    workspace = tmp_path / "work"
    workspace.mkdir(parents=True, exist_ok=True)
    model = ScriptedModel(script)
    feed = Feed()
    async with (
        SupervisedProcesses(tmp_path / "supervisor.lock") as processes,
        httpx2.AsyncClient(transport=ScriptedTransport(model)) as http,
    ):
        client = ModelClient("http://model.test/v1", None, clock, deadlines, http=http)
        router = ModelRouter(client, {}, FlatPrice(), is_endpoint_free=False)
        shared = Collaborators(
            log=database.log,
            rules=Rules(prices=router, windows=window or Window(), **rules),
            clock=clock,
            models=router,
            tools=source or FixedTools(dict.fromkeys(MissionKind, Toolbox(tools))),
            policy=Policy(tuple(policy)),
            delegation=Delegations(database.log, database.missions, feed, clock, "host"),
            blobs=database.blobs,
            deltas=feed,
            http=NoWeb(),
            search=NoWeb(),
            sees=sees,
        )
        isolation = HostIsolation(processes, {"PATH": "/usr/bin:/bin"})
        worker = Worker(
            shared,
            Ground(isolation, NothingToMake(), processes),
            {"native": NativeBackend(), "gone": AbsentBackend("gone", "Bring it back.")},
            RunDefaults("test/model", fallback, Limits()),
        )
        made = Rig(database, worker, model, feed, processes, workspace)
        database.log.on_commit(made.hear)
        yield made
