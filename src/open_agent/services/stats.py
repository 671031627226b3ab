"""What the actor's tasks add up to."""

from open_agent.core.actor import Actor
from open_agent.core.mission import MissionKind
from open_agent.store.missions import Missions, MissionTotal


class Stats:
    """Counts, read from the rows and not kept."""

    def __init__(self, missions: Missions) -> None:
        self._missions = missions

    async def of_tasks(self, actor: Actor) -> list[MissionTotal]:
        """The actor's tasks by state and outcome, with what they spent."""
        return await self._missions.totals(owner=actor.user_id, kind=MissionKind.TASK)
