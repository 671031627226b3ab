"""How much workspaces take: measured beside the work, and held against the bounds.

Whoever asks is answered from memory. A program of its own measures, one directory at a time, and
rests so long after each that measuring takes a small share of one core.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
import structlog

from open_agent.agent.limits import Excess
from open_agent.core.errors import LimitReached, NotFound, OpenAgentError
from open_agent.core.ids import MissionId, UserId, WorkspaceId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import RunState
from open_agent.core.workspace import WorkspaceEntry, WorkspaceKind, WorkspaceState
from open_agent.events.log import EncodedRecord
from open_agent.services.workspaces.ground import WorkspaceGround
from open_agent.services.workspaces.measuring import free_bytes, measure
from open_agent.store.workspaces import KindSize

CHANGING = frozenset({"tool.returned", "run.finished", "workspace.prepared"})
"""Events after which a workspace may be of another size."""
REST = 20
"""Times as long as it measured, it rests; while one is too large, a tenth of that."""
SHORTEST_REST = 0.1
LONGEST_REST = 60.0
AGAIN_SECONDS = 5.0
"""Before a directory is measured again in which somebody works; one too large is at once."""
LOOK_SECONDS = 10.0
"""How often it is looked how much is free."""
STORE_SECONDS = 3600.0
"""How often it is measured what the server keeps itself."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What is taken and what is free, in bytes; nothing where it is not known.

    Attributes:
        workspaces: By kind; of an administrator, everybody's.
        total: All workspaces that we made, whoever owns them.
        blobs: Long outputs.
    """

    workspaces: tuple[KindSize, ...]
    total: int | None
    blobs: int | None
    database: int | None
    free: int | None


class DiskWatch:
    """Measures, and knows what was measured last; a `Disk` for runs.

    Args:
        ground: What workspaces stand on.
        database_file: The database, where it is a file.
    """

    def __init__(self, ground: WorkspaceGround, database_file: Path | None) -> None:
        self._ground = ground
        self.limits = ground.limits
        self._database_file = database_file
        self._due: dict[MissionId, None] = {}
        """Missions whose workspace may have changed, in order."""
        self._large: dict[str, Excess] = {}
        self._measured: dict[str, float] = {}
        """When a directory was measured last, by the monotonic clock."""
        self._changed = asyncio.Event()
        self._free: int | None = None
        self._total = 0
        self._blobs: int | None = None
        self._database: int | None = None

    def excess(self, root: str) -> Excess | None:
        """By how much the workspace at a path is too large; see `Disk`."""
        return self._large.get(root)

    def refuse_when_full(self) -> None:
        """Let nothing new begin where there is no room for it.

        Raises:
            LimitReached: A bound is reached, or the disk is nearly full (`disk.full`).
        """
        limits = self.limits
        if self._free is not None and self._free < limits.reserve_bytes:
            raise LimitReached(
                "disk.full",
                f"Only {self._free:,} bytes are free for workspaces, and {limits.reserve_bytes:,} "
                "are to stay free (DISK_RESERVE_MB). Make room: `open-agent workspaces` lists "
                "what there is, and `open-agent workspaces remove` removes it.",
                {"free_bytes": self._free},
            )
        if limits.total_bytes and self._total >= limits.total_bytes:
            raise LimitReached(
                "disk.full",
                f"All workspaces together have {self._total:,} bytes, and may have "
                f"{limits.total_bytes:,} (WORKSPACES_MAX_MB). `open-agent workspaces` lists them, "
                "and `open-agent workspaces remove` removes one.",
                {"total_bytes": self._total},
            )

    def committed(self, owner: UserId, records: Sequence[EncodedRecord]) -> None:
        """Hear of records just committed; a `CommitListener`."""
        del owner
        for record in records:
            if record.type in CHANGING:
                self._due[record.mission_id] = None
                self._changed.set()

    async def use(self, owner: UserId | None) -> DiskUse:
        """What an owner's workspaces take; everybody's, without one, and what the server keeps."""
        if owner is not None:
            sizes = await self._ground.rows.sizes(owner=owner)
            return DiskUse(tuple(sizes), None, None, None, None)
        sizes = await self._ground.rows.sizes_for_system()
        total = sum(size.size_bytes for size in sizes)
        return DiskUse(tuple(sizes), total, self._blobs, self._database, self._free)

    async def keep_watch(self) -> None:
        """Measure, for ever."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch_disk)
            group.start_soon(self._watch_store)
            group.start_soon(self._watch_missions)

    async def _watch_disk(self) -> None:
        while True:
            await self.look_at_disk()
            await anyio.sleep(LOOK_SECONDS)

    async def look_at_disk(self) -> None:
        """Find out what is free, and what all workspaces come to."""
        self._free = await free_bytes(self._ground.places.working_dir)
        self._total = sum(size.size_bytes for size in await self._sizes())

    async def _sizes(self) -> list[KindSize]:
        try:
            return await self._ground.rows.sizes_for_system()
        except OpenAgentError as error:
            log.warning("disk.unknown", message=error.message)
            return []

    async def _watch_store(self) -> None:
        while True:
            blobs = self._ground.places.data_dir / "blobs"
            if await anyio.Path(blobs).is_dir():
                self._blobs = await measure(self._ground.isolation, blobs)
            if self._database_file is not None:
                self._database = await anyio.to_thread.run_sync(_size_of, self._database_file)
            await anyio.sleep(STORE_SECONDS)

    async def _watch_missions(self) -> None:
        while True:
            self._changed.clear()
            pause = AGAIN_SECONDS
            for mission_id in list(self._due):
                began = self._ground.clock.monotonic()
                try:
                    pause = min(pause, await self._look(mission_id, began))
                except OpenAgentError as error:
                    log.warning("disk.not_measured", message=error.message)
                spent = self._ground.clock.monotonic() - began
                rest = REST * spent / (10 if self._large else 1)
                await anyio.sleep(min(LONGEST_REST, max(SHORTEST_REST, rest)))
            if self._due:
                await anyio.sleep(pause)
            else:
                await self._changed.wait()

    async def _look(self, mission_id: MissionId, now: float) -> float:
        """Measure a mission's workspace if it is time; the seconds until it is."""
        try:
            mission = await self._ground.missions.get_for_system(mission_id)
        except NotFound:
            self._due.pop(mission_id, None)
            return AGAIN_SECONDS
        path = Path(mission.workspace)
        places = self._ground.places
        is_shared = mission.workspace_id is not None or mission.kind is MissionKind.CHILD
        if not (places.is_own(path) if is_shared else places.is_own_of(mission.id, path)):
            self._due.pop(mission_id, None)
            return AGAIN_SECONDS
        is_over = mission.run_state in (RunState.FINISHED, RunState.IDLE)
        left = self._measured.get(mission.workspace, -AGAIN_SECONDS) + AGAIN_SECONDS - now
        if left > 0 and not is_over and mission.workspace not in self._large:
            return left
        self._due.pop(mission_id, None)
        await self._measure(mission, path)
        self._measured[mission.workspace] = now
        if is_over:
            self._measured.pop(mission.workspace, None)
        return AGAIN_SECONDS

    async def _measure(self, mission: Mission, path: Path) -> None:
        at = self._ground.clock.now()
        if not await anyio.Path(path).is_dir():
            self._large.pop(mission.workspace, None)
            return
        size = await measure(self._ground.isolation, path)
        if size is None:
            return
        most = self.limits.most_bytes
        if most and size > most:
            self._large[mission.workspace] = Excess(size, most, at)
        else:
            self._large.pop(mission.workspace, None)
        if mission.kind is not MissionKind.CHILD:
            await self._remember(mission, size, at)

    async def _remember(self, mission: Mission, size: int, at: datetime) -> None:
        rows = self._ground.rows
        workspace_id = mission.workspace_id or WorkspaceId(mission.id)
        if mission.workspace_id is None:
            entry = own_entry(mission, self._ground.isolation.name)
            if not await rows.add(entry, owner=mission.owner_id):
                known = await rows.get_for_system(workspace_id)
                if known.state is WorkspaceState.REMOVED:  # A run has made it again.
                    await rows.settle_for_system(entry)
        await rows.measure_for_system(workspace_id, size, at)
        self._total = sum(each.size_bytes for each in await rows.sizes_for_system())


def own_entry(
    mission: Mission, isolation: str, kind: WorkspaceKind = WorkspaceKind.OWN
) -> WorkspaceEntry:
    """A mission's directory, as a workspace."""
    return WorkspaceEntry(
        id=WorkspaceId(mission.id),
        owner_id=mission.owner_id,
        kind=kind,
        state=WorkspaceState.READY,
        path=mission.workspace,
        host_id=mission.host_id,
        isolation=isolation,
        mission_id=mission.id,
        created_at=mission.created_at,
        updated_at=mission.created_at,
    )


def _size_of(file: Path) -> int | None:
    try:
        return sum(
            path.stat().st_size
            for path in (file, file.with_name(f"{file.name}-wal"))
            if path.exists()
        )
    except OSError:
        return None
