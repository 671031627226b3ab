"""Taking up a mission again that stopped before its goal."""

from pathlib import Path

import anyio.to_thread

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict
from open_agent.core.ids import MissionId
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.events.log import EventLog
from open_agent.events.model.mission import MissionCreated
from open_agent.services.control.conversations import Conversations, is_resumable
from open_agent.services.control.messages import Messages, NewMessage
from open_agent.services.places import Places, remove_tree
from open_agent.store.control import AT_WORK

_CLEANED = " The working directory was emptied first; what was in it is gone."


class Resuming:
    """Resumes missions."""

    def __init__(
        self, log: EventLog, conversations: Conversations, messages: Messages, places: Places
    ) -> None:
        self._log = log
        self._conversations = conversations
        self._messages = messages
        self._places = places

    async def resume(
        self, actor: Actor, mission_id: MissionId, *, is_cleaned: bool = False
    ) -> Mission:
        """Go on with a mission; it is active and current from now on.

        Args:
            actor: Whose it is.
            mission_id: Which.
            is_cleaned: Empty its working directory first, where that is its own.

        Raises:
            NotFound: It does not exist, or is not the actor's.
            Conflict: It runs, is not one to be resumed, or its directory is not ours.
        """
        mission = await self._conversations.get(actor, mission_id)
        if mission.kind is MissionKind.CHILD:
            raise Conflict("mission.delegated", "A delegated mission is resumed by its parent.")
        if mission.run_state in AT_WORK:
            raise Conflict(
                "mission.not_resumable", "The mission is running. Cancel it before you resume it."
            )
        if not is_resumable(mission):
            raise Conflict(
                "mission.not_resumable",
                f"Mission {mission.id} cannot be resumed (status: {mission.status}). Send a "
                "message to go on with it.",
                {"status": mission.status},
            )
        content = _prompt(mission)
        if is_cleaned:
            await self._clean(mission)
            content += _CLEANED
        await self._conversations.set_status(actor, mission.id, MissionStatus.ACTIVE)
        await self._conversations.select(actor, mission)
        # Of two who resume it at once, the second is answered as the first.
        again = NewMessage(content, mission.id, key=f"resume-{mission.messages}")
        await self._messages.send(actor, again, cause="resume")
        return await self._conversations.get(actor, mission.id)

    async def _clean(self, mission: Mission) -> None:
        (created, *_) = await self._log.read(mission.id, limit=1)
        event = created.event
        is_ours = isinstance(event, MissionCreated) and event.is_workspace_ours
        if mission.workspace_id is not None:
            raise Conflict(
                "workspace.not_cleaned",
                "It works in a clone or a worktree, which is not emptied. Resume it without "
                "clean_workspace, or begin a new mission.",
            )
        if not is_ours or not self._places.is_own(Path(mission.workspace)):
            raise Conflict(
                "workspace.not_ours",
                "Its working directory was named by a person, and is not emptied. Resume it "
                "without clean_workspace.",
            )
        try:
            await anyio.to_thread.run_sync(remove_tree, Path(mission.workspace))
        except OSError as error:
            raise Conflict(
                "workspace.not_cleaned",
                f"{mission.workspace} could not be emptied: {error.strerror or error}.",
            ) from error


def _prompt(mission: Mission) -> str:
    if mission.status is MissionStatus.BLOCKED:
        why = "was blocked"
    elif mission.status is MissionStatus.INTERRUPTED:
        why = "was interrupted"
    else:
        why = f"ended early ({mission.reason or mission.outcome})"
    return (
        f"This mission {why}, and is to go on now. Look at what has been done and what is in the "
        "working directory, then do what is left of what was asked for. Do not repeat what is done."
    )
