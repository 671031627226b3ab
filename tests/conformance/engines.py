"""Engines for the suite that all of them are held against."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio

from open_agent.core.clock import SystemClock
from open_agent.core.ids import MissionId, new_uuid
from open_agent.core.run import RunState
from open_agent.engine.base import Engine
from open_agent.engine.embedded import Capacity, EmbeddedEngine
from open_agent.events.model.run import RunFinished
from open_agent.scripted.script import Script
from open_agent.store.base import Database
from tests.interaction.agent.rig import Rig, rig_on


@asynccontextmanager
async def engine_on(
    db: Database,
    tmp_path: Path,
    script: Script,
    *,
    per_owner: int = 4,
    at_once: int = 100,
    **options: Any,
) -> AsyncGenerator[tuple[Rig, Engine]]:
    """An engine that has not been started, and the rig it works with."""
    async with rig_on(db, tmp_path, script, **options) as rig:
        engine = EmbeddedEngine(
            db.leases,
            rig.worker,
            SystemClock(),
            holder=new_uuid(),
            capacity=Capacity(per_owner, at_once),
            shared_host="host",
        )
        db.log.on_commit(engine.committed)
        try:
            yield rig, engine
        finally:
            await engine.drain(0)


async def ends(rig: Rig, mission_id: MissionId, *, seconds: float = 10) -> RunFinished:
    """How the mission's newest run ended."""
    with anyio.fail_after(seconds), rig.feed.watch(mission_id) as watch:
        while (await rig.database.missions.get_for_system(mission_id)).run_state is not (
            RunState.FINISHED
        ):
            await watch.changed(0.2)
    return (await rig.look_at(mission_id)).events(RunFinished)[-1]


async def is_in(rig: Rig, mission_id: MissionId, state: RunState) -> None:
    """Return once the mission is in a state."""
    with anyio.fail_after(10), rig.feed.watch(mission_id) as watch:
        while (await rig.database.missions.get_for_system(mission_id)).run_state is not state:
            await watch.changed(0.2)
