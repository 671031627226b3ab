"""A server with one mission whose events come on command: `python -m bench.streaming FOLDER COUNT`.

Everything of the real server between the log and the socket, on SQLite and uvloop, without the
engine. It says where it listens as a line of JSON; then each line of its standard input is a
number of milliseconds after which one event is appended.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.processes import cpu_seconds, memory_bytes
from open_agent.core.clock import SystemClock
from open_agent.core.ids import DEFAULT_OWNER, CallId, MessageId, MissionId, RunId, new_uuid
from open_agent.core.mission import MissionKind
from open_agent.core.run import Limits, Usage
from open_agent.engine.feed import Feed
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, RequestedCall
from open_agent.events.model.run import RunStarted
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.union import Event
from open_agent.server.collecting import collect_seldom
from open_agent.server.http import create_app
from open_agent.server.logs import configure_logs
from open_agent.server.services import Services
from open_agent.server.serving import bind, serve
from open_agent.services.access.assembly import Surroundings, open_access
from open_agent.services.access.rules import AccessRules
from open_agent.services.control.assembly import ControlParts, open_control
from open_agent.services.mcp.assembly import McpParts, open_mcp
from open_agent.services.missions import MissionEvents
from open_agent.services.places import Places
from open_agent.services.processes import KeptProcesses
from open_agent.services.stats import Stats
from open_agent.services.system import Installation, Phase, Readiness, System
from open_agent.services.tasks import Tasks
from open_agent.services.work import Work
from open_agent.services.workspaces.assembly import open_workspaces
from open_agent.services.workspaces.ground import WorkspaceGround, WorkspaceLimits
from open_agent.store.base import Database
from open_agent.store.database import open_database
from open_agent.workspaces.host import HostIsolation
from open_agent.workspaces.supervised import SupervisedProcesses

MOMENT = "sent at "
"""What stands before the moment of sending, in nanoseconds of the machine's monotonic clock."""
TEXT = "A line of output that is about as long as lines of output are.\n"
INSTALLATION = Installation("0", 50, "sqlite", "none", "", "bench", "")


class Nobody:
    """An engine that does nothing."""

    active = 0

    async def start(self) -> None: ...

    def wake(self, mission_id: MissionId) -> None: ...

    def cut(self, mission_id: MissionId) -> None:
        """Nothing is in hand."""

    async def drain(self, seconds: float) -> None: ...


@dataclass
class Author:
    """Writes the mission's log."""

    database: Database
    mission_id: MissionId
    run_id: RunId
    epoch: int = 0
    seq: int = 2
    step: int = 0

    @classmethod
    async def begin(cls, database: Database, folder: Path) -> "Author":
        """A mission whose run has started."""
        message = MessageReceived(
            message_id=MessageId(new_uuid()), sender=DEFAULT_OWNER, content="Go."
        )
        created = MissionCreated(
            owner_id=DEFAULT_OWNER,
            kind=MissionKind.TASK,
            workspace=str(folder),
            is_workspace_ours=False,
            host_id=database.host_id,
        )
        author = cls(database, MissionId(new_uuid()), RunId(new_uuid()))
        await database.log.open_mission(
            author.mission_id, created, message, key=None, digest="bench"
        )
        author.epoch = await database.leases.claim(author.mission_id, "bench") or 0
        started = RunStarted(
            message_ids=[message.message_id],
            backend="native",
            model="bench",
            limits=Limits(budget_microdollars=0),
            root_run_id=author.run_id,
        )
        await author.append([started])
        return author

    async def append(self, events: list[Event]) -> None:
        """Add events, durably."""
        await self.database.log.append(
            self.mission_id, self.epoch, events, run_id=self.run_id, known_seq=self.seq
        )
        self.seq += len(events)

    async def fill(self, count: int) -> None:
        """Write steps until there are at least so many events."""
        while self.seq < count:
            events: list[Event] = []
            while len(events) < min(200, count - self.seq):
                events += self._step(self.seq + len(events))
            await self.append(events)

    async def say_now(self) -> None:
        """Append one event that says when it was sent."""
        text = f"{MOMENT}{time.monotonic_ns()} {TEXT * 3}"
        await self.append([_returned(CallId("now"), text)])

    def _step(self, seq: int) -> list[Event]:
        self.step += 1
        call_id = CallId(f"call_{self.step}")
        return [
            ModelAsked(
                step=self.step,
                attempt=1,
                model="bench",
                max_tokens=1000,
                request_bytes=1000,
                reserved_microdollars=0,
                decided_on=seq,
            ),
            ModelAnswered(
                step=self.step,
                model="bench",
                text=TEXT,
                tool_calls=[RequestedCall(call_id=call_id, name="look", arguments="{}")],
                finish_reason="tool_calls",
                usage=Usage(input_tokens=100, output_tokens=20),
                cost_microdollars=0,
                cost_source="free",
                duration_ms=1,
            ),
            ToolCalled(call_id=call_id, name="look", effect="read", arguments={"path": "a/b.py"}),
            _returned(call_id, TEXT * 5),
        ]


def _returned(call_id: CallId, content: str) -> ToolReturned:
    return ToolReturned(call_id=call_id, name="look", outcome="ok", content=content, duration_ms=1)


async def any_address(host: str, port: int) -> None:
    """Nothing is cloned here."""
    del host, port


async def main(folder: Path, count: int) -> None:
    """Serve until standard input ends."""
    collect_seldom()  # As `open-agent` does when it has imported everything.
    configure_logs("warning")
    clock = SystemClock()
    async with await open_database(folder / "data", clock) as database:
        author = await Author.begin(database, folder)
        await author.fill(count)
        feed = Feed()
        database.log.on_commit(feed.committed)
        engine = Nobody()
        places = Places(folder, database.host_id, folder / "data", lambda model: None)
        rules = AccessRules(new_uuid(), new_uuid(), is_dev_mode=True)
        stop_work = Work(database.log, database.missions).stop
        around = Surroundings(database.accounts, database.audit, clock, stop_work)
        access = await open_access(rules, around)
        processes = SupervisedProcesses(folder / "lock")
        isolation = HostIsolation(processes, {"PATH": "/usr/bin:/bin"})
        ground = WorkspaceGround(
            database.workspaces,
            database.missions,
            places,
            clock,
            isolation,
            WorkspaceLimits(),
            any_address,
        )
        workspaces = open_workspaces(ground)
        parts = ControlParts(engine, feed, places, processes, access.audit, clock, workspaces, 1, 0)
        services = Services(
            tasks=Tasks(
                database.log, database.missions, engine, feed, places, workspaces.reserving
            ),
            workspaces=workspaces,
            control=open_control(database, parts),
            missions=MissionEvents(database.log, database.missions, feed),
            processes=KeptProcesses(database.missions, processes),
            stats=Stats(database.missions),
            system=System(INSTALLATION, Readiness(Phase.READY), engine, database.missions),
            access=access,
            mcp=open_mcp(
                database,
                McpParts(HostIsolation(processes, {}), clock, folder / "mcp", folder, {}),
                access.audit,
            ),
            clock=clock,
        )
        listener = bind("127.0.0.1", 0)
        stop = asyncio.Event()

        async def drain() -> None:
            feed.close()

        def say() -> None:
            port = listener.getsockname()[1]
            place = {"port": port, "mission_id": author.mission_id, "events": author.seq}
            print(json.dumps(place), flush=True)

        async with asyncio.TaskGroup() as group:
            group.create_task(
                serve(create_app(services), listener, drain=drain, stop=stop, on_listening=say)
            )
            await _obey(author)
            stop.set()


async def _obey(author: Author) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while command := (await reader.readline()).decode().strip():
        await asyncio.sleep(float(command) / 1000)
        await author.say_now()


@dataclass(slots=True)
class Streaming:
    """The process at work, as those see it who measure it; `events` counts those that were said."""

    process: "subprocess.Popen[bytes]"
    port: int
    mission_id: str
    events: int

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of CPU time so far."""
        return cpu_seconds(self.process.pid) * 1000

    @property
    def rss_mb(self) -> float:
        """Megabytes of memory now."""
        return memory_bytes(self.process.pid) / 2**20

    def say(self, after_ms: float) -> None:
        """Have one event appended."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{after_ms}\n".encode())
        self.process.stdin.flush()
        self.events += 1

    def request(self, kind: str, *, after: int = 0) -> bytes:
        """The request for a stream: `task` or `missions`."""
        path = f"/api/{kind}/{self.mission_id}/stream?after={after}"
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode()


@contextmanager
def streaming(folder: Path, events: int) -> Generator[Streaming]:
    """The process, with so many events in its mission."""
    command = [sys.executable, "-m", "bench.streaming", str(folder), str(events)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        yield Streaming(process, place["port"], place["mission_id"], place["events"])
    finally:
        process.communicate()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), int(sys.argv[2])))
