"""Asking a mission's run to end."""

from open_agent.core.actor import Actor
from open_agent.core.errors import Unavailable
from open_agent.core.ids import MissionId, new_uuid
from open_agent.engine.base import Engine
from open_agent.events.log import EventLog
from open_agent.events.model.cancel import CancelRequested


async def request_stop(log: EventLog, engine: Engine, actor: Actor, mission_id: MissionId) -> None:
    """Put the wish to stop on the log of one of the actor's missions.

    Raises:
        Unavailable: It could not be written down; what ran was ended all the same.
    """
    try:
        await log.append_external(
            mission_id,
            CancelRequested(by=actor.user_id),
            key=f"cancel:{new_uuid()}",
            owner=actor.user_id,
        )
    except Unavailable as error:
        # Stop means stop, also when it cannot be written down: it may be what fills the disk.
        engine.cut(mission_id)
        raise Unavailable(
            error.code,
            f"What was running was ended, but the stop could not be recorded: {error.message}"
            " Stop it again then, or it goes on.",
        ) from error
