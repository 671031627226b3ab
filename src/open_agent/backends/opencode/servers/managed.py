"""An OpenCode server of our own: started when needed, watched, started again, ended when idle.

Above: the run loop, by the port in `server.py`. It listens on loopback, asks for a password that
nobody else has, and keeps its things in folders of its own (`home.py`).
"""

import asyncio
import math
from dataclasses import dataclass, replace

import anyio
import structlog
from anyio import to_thread

from open_agent.backends.opencode.protocol.client import OpenCodeClient
from open_agent.backends.opencode.protocol.errors import OpenCodeUnreachable
from open_agent.backends.opencode.protocol.feed import Feed
from open_agent.backends.opencode.servers.launching import Launcher, Started, exit_of
from open_agent.backends.opencode.servers.server import Phase, ServerState
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId
from open_agent.workspaces.marked import end_marked

MARK = "OPEN_AGENT_SESSION"
"""The variable by which commands are told apart; `plugin.js` sets it."""

END_SECONDS = 5.0
"""What a start that failed may take to be cleared away, before those who wait for it are told."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watchfulness:
    """When a server that runs is given up, and when one that ended is started again.

    Attributes:
        look_seconds: Between two looks at whether it answers.
        answer_seconds: How long it may take to, each time.
        misses: So many looks in a row without an answer, and it is ended.
        lived_seconds: One that lived so long did not die of how it was started.
        first_pause: Seconds before it is started again; doubled each time it dies at once.
        longest_pause: The most of that.
        deaths: So many in a row, and it is started again only when it is asked for.
        idle_seconds: Without a run for so long, it is ended until the next one.
    """

    look_seconds: float = 15.0
    answer_seconds: float = 10.0
    misses: int = 3
    lived_seconds: float = 60.0
    first_pause: float = 0.25
    longest_pause: float = 30.0
    deaths: int = 8
    idle_seconds: float = math.inf


class ManagedServer:
    """An OpenCode server of our own; see `OpenCodeServer`.

    Args:
        launcher: Starts it.
        start_seconds: How long whoever needs it waits for that.
        watchfulness: How it is watched.
    """

    is_managed = True

    def __init__(
        self,
        launcher: Launcher,
        start_seconds: float = 60.0,
        watchfulness: Watchfulness | None = None,
    ) -> None:
        self._launcher = launcher
        self._start_seconds = start_seconds
        self._watch = watchfulness or Watchfulness()
        self._started: Started | None = None
        self._life: asyncio.Task[None] | None = None
        self._turn = asyncio.Event()
        self._failure: OpenAgentError | None = None
        self._state = ServerState("managed", "stopped")
        self._is_closed = False
        self._ending = asyncio.Event()
        """Set when the one that runs is to end, not to be started again before it is needed."""
        self._held: set[MissionId] = set()
        self._used_at = 0.0
        self.feed = Feed(self.client)

    @property
    def pid(self) -> int | None:
        """Of the program, while it runs."""
        return self._started.process.pid if self._started else None

    async def client(self) -> OpenCodeClient:
        """A client of the server that runs; starts it if need be, within its time."""
        self._used_at = anyio.current_time()
        if self._started is not None:
            return self._started.client
        if self._life is not None and self._ending.is_set():
            await asyncio.wait({self._life})
        if self._is_closed:
            raise OpenCodeUnreachable("This server is ending, and its OpenCode with it.")
        if self._life is None or self._life.done():
            self._failure = None
            self._ending.clear()
            self._life = asyncio.create_task(self._live())
        life = self._life
        with anyio.move_on_after(self._start_seconds + END_SECONDS):
            while self._started is None and not life.done():
                self._turn.clear()
                await self._turn.wait()
        if self._started is None:
            raise self._failure or OpenCodeUnreachable(
                f"OpenCode is not there yet after {self._start_seconds:g} s."
                f" {self._launcher.last_words}Try again, or look there for why."
            )
        return self._started.client

    async def state(self, *, is_fresh: bool = False) -> ServerState:
        """How it is; it is asked whether it answers only when something fresh is wanted."""
        started = self._started
        problem: OpenAgentError | None = None
        if self._state.phase == "stopped":
            problem = await to_thread.run_sync(self._launcher.missing)
        elif is_fresh and started is not None:
            try:
                await started.client.version()
            except OpenAgentError as error:
                problem = error
        if problem is None:
            return self._state
        return replace(self._state, phase="failed", code=problem.code, problem=problem.message)

    async def end_session_processes(self, *session_ids: str) -> int:
        """End what commands of these sessions left behind."""
        return await end_marked(MARK, session_ids)

    def hold(self, mission_id: MissionId) -> None:
        """It is not idle while a mission needs it."""
        self._held.add(mission_id)

    def release(self, mission_id: MissionId) -> None:
        """The mission needs it no more."""
        self._held.discard(mission_id)
        self._used_at = anyio.current_time()

    async def end(self) -> bool:
        """End it now with everything that it started; see `OpenCodeServer`."""
        if self._started is not None and self._life is not None:
            self._ending.set()
            await asyncio.wait({self._life})
        return True

    async def close(self) -> None:
        """End it with everything that it started."""
        self._is_closed = True
        await self.feed.close()
        if self._life is not None:
            self._life.cancel()
            await asyncio.wait({self._life})
        await self._launcher.close()

    async def _live(self) -> None:
        """Keep one running, for as long as there is a point in starting it again."""
        watch, deaths, pause = self._watch, 0, self._watch.first_pause
        try:
            while deaths < watch.deaths:
                self._tell("starting")
                began = anyio.current_time()
                has_started = await self._live_once()
                if self._ending.is_set():
                    self._tell("stopped")
                    return
                if not has_started and deaths == 0:
                    return  # whoever needs it is told why, and the next one tries again
                if anyio.current_time() - began > watch.lived_seconds:
                    deaths, pause = 0, watch.first_pause
                deaths += 1
                await anyio.sleep(pause)
                pause = min(pause * 2, watch.longest_pause)
                self._state = replace(self._state, restarts=self._state.restarts + 1)
        finally:
            self._turn.set()

    async def _live_once(self) -> bool:
        """One life, from its start to its end; whether there was one."""
        try:
            async with self._launcher.launch() as started:
                self._begin(started)
                try:
                    why = await self._wait(started)
                finally:
                    self._started = None
        except OpenAgentError as error:
            self._tell("failed", error)
            _log.warning("opencode.not_started", code=error.code, reason=error.message)
            return False
        if self._ending.is_set():
            _log.info("opencode.ended", why=why)
            return True
        self._tell("failed", OpenCodeUnreachable(f"OpenCode {why}. {self._launcher.last_words}"))
        _log.warning("opencode.died", why=why, last_words=self._launcher.last_words)
        return True

    def _begin(self, started: Started) -> None:
        self._started, self._failure = started, None
        self._used_at = anyio.current_time()
        self._state = ServerState(
            "managed",
            "ready",
            started.client.base_url,
            started.version,
            restarts=self._state.restarts,
        )
        if not started.has_plugin:
            self._state = replace(
                self._state,
                code="opencode.plugin",
                problem=f"OpenCode {started.version} did not load our plugin: commands can read its"
                " password, and what they leave running is not found. Use the version that the"
                " guide names.",
            )
            _log.warning("opencode.plugin_not_loaded", version=started.version)
        self._turn.set()

    async def _wait(self, started: Started) -> str:
        """How it came to an end: by itself, or by us, for a reason of ours."""
        ends = {
            asyncio.create_task(exit_of(started.process)),
            asyncio.create_task(self._hang(started.client)),
            asyncio.create_task(self._idle()),
            asyncio.create_task(self._told_to_end()),
        }
        try:
            ended, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return ended.pop().result()
        finally:
            for each in ends:
                each.cancel()

    async def _told_to_end(self) -> str:
        await self._ending.wait()
        return "was ended for a run that it did not answer"

    async def _idle(self) -> str:
        """Return when there has been nothing for it to do for some time."""
        most = self._watch.idle_seconds
        left = most
        while left > 0:
            await anyio.sleep(left)
            left = most if self._held else self._used_at + most - anyio.current_time()
        self._ending.set()
        return "was idle and was ended until it is needed"

    async def _hang(self, client: OpenCodeClient) -> str:
        """Return when it has not answered for some time."""
        misses = 0
        while misses < self._watch.misses:
            await anyio.sleep(self._watch.look_seconds)
            try:
                await client.version(self._watch.answer_seconds)
                misses = 0
            except OpenAgentError:
                misses += 1
        return "did not answer any more and was ended"

    def _tell(self, phase: Phase, failure: OpenAgentError | None = None) -> None:
        self._failure = failure
        self._state = replace(
            self._state,
            phase=phase,
            code=failure.code if failure else "",
            problem=failure.message if failure else "",
        )
        self._turn.set()
