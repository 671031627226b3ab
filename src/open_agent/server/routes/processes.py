"""What a mission keeps running after its run: listed, and stopped."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from open_agent.events.model.tool import BackgroundProcess
from open_agent.server.deps import AllServices, CurrentActor, MissionIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire

router = APIRouter(
    prefix="/api/missions/{id}/processes", tags=["missions"], responses=failing(401, 404, 422)
)


class ProcessList(Wire):
    """Processes that a mission keeps running."""

    items: list[BackgroundProcess] = Field(description="The processes.")
    next: None = Field(default=None, description="Always null: all of them are listed.")


@router.get("")
async def list_processes(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> ProcessList:
    """What the mission's commands left running, because they said to keep it."""
    return ProcessList(items=list(await services.processes.of_mission(actor, mission_id)))


@router.post("/{pid}/stop", status_code=204)
async def stop_process(
    mission_id: MissionIdInPath,
    pid: Annotated[int, Path(ge=1, le=2**31 - 1, description="One of those listed.")],
    actor: CurrentActor,
    services: AllServices,
) -> None:
    """End a kept process, with everything that the same command started."""
    await services.processes.end(actor, mission_id, pid)
