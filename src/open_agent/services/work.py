"""Ending everything that a user has at work."""

from open_agent.core.actor import Actor
from open_agent.core.ids import UserId, new_uuid
from open_agent.core.run import RunState
from open_agent.events.log import EventLog
from open_agent.events.model.cancel import CancelRequested
from open_agent.store.missions import Missions

PAGE = 200
_AT_WORK = {RunState.QUEUED, RunState.RUNNING, RunState.WAITING}


class Work:
    """Whatever runs or waits to run, by its owner."""

    def __init__(self, log: EventLog, missions: Missions) -> None:
        self._log = log
        self._missions = missions

    async def stop(self, actor: Actor, owner: UserId) -> None:
        """Ask every run of the owner's to end; each request is on the log when this returns."""
        after: str | None = None
        while True:
            page = await self._missions.page(owner=owner, after=after, limit=PAGE)
            for mission in page.items:
                if mission.run_state in _AT_WORK:
                    await self._log.append_external(
                        mission.id,
                        CancelRequested(by=actor.user_id),
                        key=f"cancel:{new_uuid()}",
                        owner=owner,
                    )
            after = page.next
            if after is None:
                return
