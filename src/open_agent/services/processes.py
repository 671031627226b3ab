"""Processes that outlive the run that started them, because a call said to keep them."""

from collections.abc import Sequence

from open_agent.core.actor import Actor
from open_agent.core.errors import NotFound
from open_agent.core.ids import MissionId
from open_agent.events.model.tool import BackgroundProcess
from open_agent.store.missions import Missions
from open_agent.workspaces.processes import ProcessPort


class KeptProcesses:
    """Lists and ends what missions keep running on this host."""

    def __init__(self, missions: Missions, processes: ProcessPort) -> None:
        self._missions = missions
        self._processes = processes

    async def of_mission(self, actor: Actor, mission_id: MissionId) -> Sequence[BackgroundProcess]:
        """What the mission keeps running now, the programs that its calls started first.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
        """
        await self._missions.get(mission_id, owner=actor.user_id)
        trees = await self._processes.list_kept(mission_id)
        return [process for tree in trees for process in tree.processes]

    async def end(self, actor: Actor, mission_id: MissionId, pid: int) -> None:
        """End a kept process, with everything that the same call started.

        Raises:
            NotFound: The mission does not exist, is not the actor's, or keeps no such process.
        """
        await self._missions.get(mission_id, owner=actor.user_id)
        if not await self._processes.end_kept(mission_id, pid):
            raise NotFound(
                "process.not_found",
                f"Mission {mission_id} keeps no process {pid}. It may have ended by itself.",
                {"pid": pid},
            )
