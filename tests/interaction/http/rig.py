"""The server over a real database, with the test in the worker's place."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from open_agent.backends.opencode.models import OpenCodeModels
from open_agent.backends.opencode.servers.server import OpenCodeServer
from open_agent.core.clock import Clock, SystemClock
from open_agent.core.ids import MessageId, MissionId, RunId, UserId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.engine.feed import Feed
from open_agent.events.log import EncodedRecord, EventLog
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.run import RunStarted
from open_agent.server.http import HttpOptions, create_app
from open_agent.server.services import Services
from open_agent.services.access.assembly import Surroundings, open_access
from open_agent.services.access.rules import AccessRules
from open_agent.services.backends import Backends
from open_agent.services.control.assembly import ControlParts, open_control
from open_agent.services.mcp.assembly import McpParts, open_mcp
from open_agent.services.missions import MissionEvents
from open_agent.services.places import Places
from open_agent.services.processes import KeptProcesses
from open_agent.services.stats import Stats
from open_agent.services.system import Installation, Phase, Readiness, System
from open_agent.services.tasks import Tasks
from open_agent.services.work import Work
from open_agent.services.workspaces.assembly import WorkspaceServices, open_workspaces
from open_agent.services.workspaces.ground import WorkspaceGround, WorkspaceLimits
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.testing.asgi import client_of
from open_agent.testing.database import open_memory_database
from open_agent.tools.standard import standard_tools
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.isolation import Isolation
from open_agent.workspaces.supervised import SupervisedProcesses
from tests.histories import History
from tests.interaction.http.interposed import InterposedLog

TOKEN = "a-token-that-only-tests-would-use-0123456789"
SECRET = "a-secret-that-only-tests-would-use-0123456789"
OWNER = UserId("default")
CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
"""Hashes in a tenth of a millisecond."""
HOLDER = "test"

INSTALLATION = Installation(
    version="1.2.3",
    max_iterations=50,
    database="sqlite",
    engine="embedded",
    endpoint="https://models.example/v1",
    default_model="test/default",
    data_dir="/srv/data",
    libraries={"fastapi": "0.0.0"},
)


STRANGERS = HttpOptions(is_own_account=lambda client, server: False)
"""Programs of whom the kernel says that they run under another account."""


@dataclass(frozen=True)
class OpenCode:
    """An OpenCode that there is beside our own loop."""

    server: OpenCodeServer
    models: OpenCodeModels


@dataclass
class NoEngine:
    """An engine whose work the test does."""

    woken: list[MissionId] = field(default_factory=list[MissionId])
    active: int = 0

    async def start(self) -> None:
        """Nothing to begin."""

    def wake(self, mission_id: MissionId) -> None:
        self.woken.append(mission_id)

    def cut(self, mission_id: MissionId) -> None:
        """Nothing is in hand."""

    async def drain(self, seconds: float) -> None:
        """Nothing to end."""


@dataclass
class Rig:
    """What a test of the server needs."""

    db: Database
    log: InterposedLog
    """Between the services and the database; what the test does as a worker goes through it, too."""
    feed: Feed
    engine: NoEngine
    services: Services
    app: FastAPI
    epochs: dict[MissionId, int] = field(default_factory=dict[MissionId, int])
    runs: dict[MissionId, RunId] = field(default_factory=dict[MissionId, RunId])

    async def submit(self, client: httpx2.AsyncClient, task: str = "Do it.") -> MissionId:
        """Hand over a task, as a client."""
        reply = await client.post("/api/task", json={"task": task})
        assert reply.status_code == 200, reply.text
        return MissionId(reply.json()["id"])

    async def work(self, mission_id: MissionId, history: History) -> None:
        """Append what a history holds beyond its message, as a worker would."""
        for record in history.records[2:]:
            await self.append(mission_id, record.event)

    async def append(self, mission_id: MissionId, event: Any) -> None:
        """Append one event, as a worker would."""
        if mission_id not in self.epochs:
            epoch = await self.db.leases.claim(mission_id, HOLDER)
            assert epoch is not None
            self.epochs[mission_id] = epoch
        if isinstance(event, RunStarted):
            run_id = self.runs[mission_id] = RunId(new_uuid())
            messages = await self._message_ids(mission_id)
            event = event.model_copy(update={"message_ids": messages, "root_run_id": run_id})
        known = (await self.db.missions.get(mission_id, owner=OWNER)).last_seq
        appended = await self.db.log.append(
            mission_id,
            self.epochs[mission_id],
            [event],
            run_id=self.runs[mission_id],
            known_seq=known,
        )
        assert not appended.is_refused

    async def _message_ids(self, mission_id: MissionId) -> list[MessageId]:
        records = await self.db.log.read(mission_id)
        return [r.event.message_id for r in records if isinstance(r.event, MessageReceived)]

    async def records(self, mission_id: MissionId) -> list[EncodedRecord]:
        """The whole log."""
        return await self.db.log.read_encoded(mission_id, limit=100_000)


def make_workspaces(
    db: Database, places: Places, isolation: Isolation, clock: Clock
) -> WorkspaceServices:
    """Workspaces without bounds."""

    async def any_address(host: str, port: int) -> None:
        del host, port

    ground = WorkspaceGround(
        db.workspaces, db.missions, places, clock, isolation, WorkspaceLimits(), any_address
    )
    return open_workspaces(ground)


@asynccontextmanager
async def server(
    folder: Path,
    *,
    is_dev_mode: bool = False,
    options: HttpOptions | None = None,
    is_durable: bool = True,
    rules: AccessRules | None = None,
    hasher: PasswordHash | None = None,
    clock: Clock | None = None,
    opencode: OpenCode | None = None,
) -> AsyncGenerator[Rig]:
    """The application over a database in `folder`; what a folder holds is found again.

    Where a test is not about what is kept, `is_durable=False` saves it 90 ms.
    """
    clock = clock or SystemClock()
    memory = None if is_durable else open_memory_database(folder / "blobs", clock)
    async with memory or await open_database(folder / "data", clock) as opened:
        log, feed = InterposedLog(opened.log), Feed()
        db = replace(opened, log=cast("EventLog", log))
        db.log.on_commit(feed.committed)
        engine = NoEngine()
        places = Places(
            working_dir=folder / "work",
            host_id=db.host_id,
            data_dir=folder / "data",
            why_unusable=lambda model: None,
            backends=Backends(others={"opencode": opencode.models} if opencode else {}),
        )
        rules = replace(rules or AccessRules(TOKEN, SECRET), is_dev_mode=is_dev_mode)
        stop_work = Work(db.log, db.missions).stop
        access = await open_access(
            rules, Surroundings(db.accounts, db.audit, clock, stop_work, hasher or CHEAP)
        )
        processes = SupervisedProcesses(folder / "supervisor.lock")
        isolation = HostIsolation(processes, {"PATH": os.environ["PATH"]})
        own = {kind: standard_tools(kind) for kind in MissionKind}
        parts = McpParts(isolation, clock, folder / "mcp", folder / "work", own)
        mcp = open_mcp(db, parts, access.audit)
        await mcp.start()
        access.users.on_leave(mcp.let_go)
        workspaces = make_workspaces(db, places, HostIsolation(processes, dict(os.environ)), clock)
        control = ControlParts(
            engine, feed, places, processes, access.audit, clock, workspaces, most_at_once=4
        )
        services = Services(
            tasks=Tasks(db.log, db.missions, engine, feed, places, workspaces.reserving),
            workspaces=workspaces,
            missions=MissionEvents(db.log, db.missions, feed),
            control=open_control(db, control),
            processes=KeptProcesses(db.missions, processes),
            stats=Stats(db.missions),
            system=System(
                INSTALLATION,
                Readiness(Phase.READY),
                engine,
                db.missions,
                opencode.server if opencode else None,
            ),
            access=access,
            mcp=mcp,
            clock=clock,
        )
        async with processes:
            try:
                yield Rig(
                    db, log, feed, engine, services, create_app(services, options or STRANGERS)
                )
            finally:
                await mcp.close()


@asynccontextmanager
async def served(
    folder: Path,
    *,
    options: HttpOptions | None = None,
    is_durable: bool = True,
    rules: AccessRules | None = None,
    opencode: OpenCode | None = None,
) -> AsyncGenerator[tuple[Rig, httpx2.AsyncClient]]:
    """A server, and a client that has its token."""
    async with (
        server(
            folder, options=options, is_durable=is_durable, rules=rules, opencode=opencode
        ) as rig,
        client_of(rig.app, token=TOKEN) as client,
    ):
        yield rig, client


@dataclass(frozen=True)
class Sse:
    """One server-sent event as a client sees it."""

    event: str
    id: str | None
    data: str


class SseReader:
    """Reads events from the pieces of a stream, as a browser would."""

    def __init__(self) -> None:
        self._rest = b""
        self.comments: list[str] = []
        self.last_id = ""
        """What a browser would send when it comes back."""

    def feed(self, piece: bytes) -> list[Sse]:
        """The events that `piece` completes."""
        *blocks, self._rest = (self._rest + piece).split(b"\n\n")
        found = [self._read(block.decode()) for block in blocks]
        return [event for event in found if event is not None]

    def _read(self, block: str) -> Sse | None:
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                fields.setdefault(name, []).append(value.removeprefix(" "))
            else:
                self.comments.append(value.strip())
        self.last_id = fields.get("id", [self.last_id])[-1]
        if "data" not in fields:
            return None
        return Sse(
            event=fields.get("event", ["message"])[-1],
            id=fields["id"][-1] if "id" in fields else None,
            data="\n".join(fields["data"]),
        )


@dataclass
class Stream:
    """An open stream."""

    response: httpx2.Response
    reader: SseReader = field(default_factory=SseReader)

    def __post_init__(self) -> None:
        self._pieces = self.response.aiter_raw()
        self._ready: list[Sse] = []

    async def next(self) -> Sse | None:
        """The next event; none when the stream has ended."""
        with anyio.fail_after(5):
            while not self._ready:
                try:
                    piece = await anext(self._pieces)
                except StopAsyncIteration:
                    return None
                self._ready += self.reader.feed(piece)
        return self._ready.pop(0)

    async def take(self, count: int) -> list[Sse]:
        """So many events."""
        found = [await self.next() for _ in range(count)]
        assert None not in found, found
        return [event for event in found if event is not None]

    async def rest(self) -> list[Sse]:
        """Everything to the end."""
        found: list[Sse] = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    async def comment(self, text: str) -> None:
        """Return when a comment came; events that come before it are kept."""
        with anyio.fail_after(5):
            while not any(text in comment for comment in self.reader.comments):
                self._ready += self.reader.feed(await anext(self._pieces))


@asynccontextmanager
async def streaming(
    client: httpx2.AsyncClient, path: str, *, last_id: str | None = None
) -> AsyncGenerator[Stream]:
    """Open a stream; leaving the context is going away."""
    headers = {} if last_id is None else {"Last-Event-ID": last_id}
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, response.status_code
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)
