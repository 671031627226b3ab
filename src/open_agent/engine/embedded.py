"""The engine inside the server's own process: an asyncio scheduler over the store.

What is to be done is asked of the store every time, so nothing is lost with a wake-up. A mission
that is to be cancelled is taken up at once, beyond the limits: stopping must not wait in line.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from open_agent.core.clock import Clock
from open_agent.core.errors import OpenAgentError
from open_agent.core.ids import MissionId, UserId
from open_agent.engine.worker import Worker
from open_agent.events.log import EncodedRecord
from open_agent.store.leases import Leases

SWEEP_SECONDS = 10.0
HEARTBEAT_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Before a mission that could not be worked on is tried again; the first time, a second."""
STOP_SECONDS = 5.0
"""What work gets to end by itself after it was cancelled."""
RELEASE_SECONDS = 2.0
"""What giving a lease back gets while draining: it ends with this process anyway."""

WAKING = frozenset({"message.received", "queue.released", "answer.given"})
"""Events after which a mission that nobody works on may have something to do."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many missions are worked on at the same time."""

    per_owner: int
    at_once: int
    """By this process, whoever owns them. What only waits for its own part is not counted."""


class EmbeddedEngine:
    """Gives missions with work to asyncio tasks of this process.

    Args:
        leases: Which missions have work, and who holds them.
        worker: Carries a mission on.
        clock: For the time at which waiting missions go on.
        holder: This process, as leases name it.
        capacity: How many missions at once.
        shared_host: Set where other processes append to the same log, so that leases need a
            heartbeat, and what others appended has to be asked for. The id of this host: missions
            whose workspace is on another are left to that one.
    """

    def __init__(
        self,
        leases: Leases,
        worker: Worker,
        clock: Clock,
        *,
        holder: str,
        capacity: Capacity,
        shared_host: str | None = None,
    ) -> None:
        self._leases = leases
        self._worker = worker
        self._clock = clock
        self._holder = holder
        self._capacity = capacity
        self._host_id = shared_host
        self._tasks: dict[MissionId, asyncio.Task[None]] = {}
        self._crashes: dict[MissionId, int] = {}
        """In a row, by mission."""
        self._urgent: set[MissionId] = set()
        self._changed = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None

    @property
    def active(self) -> int:
        """Missions being worked on now."""
        return len(self._tasks)

    async def start(self) -> None:
        """Begin to work, with whatever was left unfinished."""
        self._loops.append(asyncio.create_task(self._schedule(), name="engine"))
        if self._host_id is not None:
            self._loops.append(asyncio.create_task(self._beat(), name="heartbeat"))

    def wake(self, mission_id: MissionId) -> None:
        """Look for work soon."""
        del mission_id
        self._changed.set()

    def cut(self, mission_id: MissionId) -> None:
        """End the work in hand on a mission though the log cannot be told; never blocks."""
        for child_id, ctx in list(self._worker.contexts.items()):
            if ctx.state.parent is not None and ctx.state.parent.mission_id == mission_id:
                self.cut(child_id)
        task = self._tasks.get(mission_id)
        if task is not None:
            task.cancel()

    def committed(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """Hear of records just committed; a `CommitListener`."""
        del owner
        for record in records:
            if record.type == "cancel.requested":
                self._hear(record, is_urgent=True)
            elif record.type in WAKING:
                self._hear(record, is_urgent=False)

    def _hear(self, record: EncodedRecord, *, is_urgent: bool) -> None:
        ctx = self._worker.contexts.get(record.mission_id)
        if ctx is not None:
            ctx.hear(record)
        elif is_urgent:
            self._urgent.add(record.mission_id)
        self._changed.set()

    async def drain(self, seconds: float) -> None:
        """Begin no move, let those in hand finish for so long, then end them; once for all."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(seconds), name="drain")
        await asyncio.shield(self._draining)

    async def _drain(self, seconds: float) -> None:
        self._stopping.set()
        scheduler = self._loops[:1]
        for task in scheduler:
            task.cancel()
        await asyncio.gather(*scheduler, return_exceptions=True)
        for ctx in self._worker.contexts.values():
            ctx.drain()
        tasks = list(self._tasks.values())
        if tasks:
            _, slow = await asyncio.wait(tasks, timeout=seconds)
            for task in slow:
                task.cancel()
            if slow:
                await asyncio.wait(slow, timeout=STOP_SECONDS)
        # The heartbeat goes on until the work in hand is over.
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _schedule(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._fill()
                timeout = await self._until_next()
            except Exception:  # boundary: a failing store must not end the engine
                log.exception("engine.failed")
                timeout = 1.0
            try:
                async with asyncio.timeout(timeout):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _beat(self) -> None:
        """Keep the leases, and hear of what other processes appended to the missions in hand."""
        while True:
            try:
                for held in await self._leases.heartbeat(self._holder):
                    ctx = self._worker.contexts.get(held.mission_id)
                    if ctx is not None and held.last_seq > ctx.state.seq:
                        await ctx.listen()
                self._changed.set()
            except Exception:  # boundary: a failing store must not end the heartbeat
                log.exception("heartbeat.failed")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _fill(self) -> None:
        while self._urgent:
            mission_id = self._urgent.pop()
            if mission_id not in self._tasks:
                epoch = await self._leases.claim(mission_id, self._holder)
                if epoch is not None:
                    self._give(mission_id, epoch)
        lent = sum(ctx.is_lending for ctx in self._worker.contexts.values())
        free = self._capacity.at_once - len(self._tasks) + lent
        if free <= 0:
            return
        for claimed in await self._leases.claim_next(
            self._holder,
            per_owner_limit=self._capacity.per_owner,
            limit=free,
            host_id=self._host_id,
        ):
            self._give(claimed.mission_id, claimed.epoch)

    async def _until_next(self) -> float:
        wake_at = await self._leases.next_wake()
        if wake_at is None:
            return SWEEP_SECONDS
        return min(SWEEP_SECONDS, max(0.0, (wake_at - self._clock.now()).total_seconds()))

    def _give(self, mission_id: MissionId, epoch: int) -> None:
        task = asyncio.create_task(self._work(mission_id, epoch), name=f"mission {mission_id}")
        self._tasks[mission_id] = task

    async def _work(self, mission_id: MissionId, epoch: int) -> None:
        try:
            await self._worker.work(mission_id, epoch)
            self._crashes.pop(mission_id, None)
        except Exception:  # boundary: one mission's failure is not the server's
            log.exception("mission.crashed", mission_id=mission_id)
            crashes = self._crashes[mission_id] = self._crashes.get(mission_id, 0) + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_PAUSE_SECONDS, 2.0 ** (crashes - 1))):
                    await self._stopping.wait()
        finally:
            await self._give_back(mission_id, epoch)
            # Given back, it may already be another task's.
            if self._tasks.get(mission_id) is asyncio.current_task():
                del self._tasks[mission_id]
            self._changed.set()

    async def _give_back(self, mission_id: MissionId, epoch: int) -> None:
        """Release the lease, however long the store needs to take that, but for a server's end."""
        while True:
            try:
                async with asyncio.timeout(RELEASE_SECONDS if self._stopping.is_set() else None):
                    await self._leases.release(mission_id, epoch)
            except (OpenAgentError, TimeoutError):
                log.exception("lease.not_released", mission_id=mission_id)
                if self._stopping.is_set():
                    return
                await asyncio.sleep(1.0)
            else:
                return
