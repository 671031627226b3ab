"""Speaking to missions: messages and the queue they wait in, stopping, taking up again."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, Invalid, NotFound
from open_agent.core.ids import MessageId, MissionId, new_uuid
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.run import RunState
from open_agent.engine.base import Engine
from open_agent.engine.feed import Feed
from open_agent.events.log import EventLog
from open_agent.events.model.message import Cause, Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionRenamed
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.union import ExternalEvent
from open_agent.events.queue import LONGEST_POSITION
from open_agent.services.control.conversations import Conversations, NewMission
from open_agent.services.control.titles import title_of
from open_agent.services.places import Places
from open_agent.services.stopping import request_stop
from open_agent.services.workspaces.choosing import WorkspaceChoice
from open_agent.store.control import AT_WORK, ControlRows, Waiting

LONGEST_MESSAGE_BYTES = 128 * 1024
LONGEST_KEY = 200
IDLE = "No running task to cancel"

_POSITION = re.compile(rf"[0-9]{{1,{LONGEST_POSITION}}}")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What somebody says.

    Attributes:
        mission_id: To which mission; absent means the current one at the time of sending.
        key: Made by the client; the same key again sends nothing new to the same mission.
        workspace: Where a mission is to work that begins with this message.
    """

    content: str
    mission_id: MissionId | None = None
    model: str | None = None
    delivery: Delivery = "queue"
    key: str | None = None
    workspace: WorkspaceChoice | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is durable.

    Attributes:
        is_queued: It waits for a run that is under way, for other messages, or for a release.
    """

    message_id: MessageId
    mission_id: MissionId
    is_queued: bool


@dataclass(frozen=True, slots=True)
class Queued:
    """A message that waits."""

    id: MessageId
    content: str
    waiting: Waiting


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Some waiting messages in their order, and where the next page begins."""

    items: Sequence[Queued]
    next: str | None


class Messages:
    """What people say to missions."""

    def __init__(
        self,
        log: EventLog,
        rows: ControlRows,
        conversations: Conversations,
        engine: Engine,
        feed: Feed,
        places: Places,
    ) -> None:
        self._log = log
        self._rows = rows
        self._conversations = conversations
        self._engine = engine
        self._feed = feed
        self._places = places

    async def send(self, actor: Actor, new: NewMessage, *, cause: Cause = "person") -> Sent:
        """Accept a message; it is durable when this returns, and its mission active again.

        Raises:
            Invalid: It is blank, too long, or names a model or a backend that cannot be used.
            NotFound: The mission or the workspace does not exist, or is not the actor's.
            LimitReached: Too many wait there already (`queue.full`).
            Conflict: The key was used for another message (`idempotency.key_reused`).
        """
        while True:
            try:
                return await self._send(actor, new, cause)
            except NotFound as error:
                if new.mission_id is not None or error.code != "mission.not_found":
                    raise
                # The current mission was deleted a moment ago: it goes to the one that is now.

    async def _send(self, actor: Actor, new: NewMessage, cause: Cause) -> Sent:
        content = _checked(new.content)
        backend = self._places.checked_backend(new.backend)
        found = await self._find(actor, new)
        model = await self._model(new.model, found, backend)
        mission = found or await self._begin(actor, new, model, backend)
        if not mission.messages and not (mission.title or "").strip():
            await self._name(actor, mission, content)
        message = MessageReceived(
            message_id=MessageId(new_uuid()),
            sender=actor.user_id,
            content=content,
            delivery=new.delivery,
            options=RunOptions(model=model, backend=backend),
            cause=cause,
        )
        key = f"message:{_checked_key(new.key) or new_uuid()}"
        done = await self._log.append_external(mission.id, message, key=key, owner=actor.user_id)
        first = done.records[0].event
        assert isinstance(first, MessageReceived)
        if done.is_duplicate and (first.content, first.delivery) != (content, new.delivery):
            raise Conflict(
                "idempotency.key_reused",
                "This idempotency key was used for a different message. Use a new key, or send"
                " the same message again.",
                {"mission_id": mission.id, "id": first.message_id},
            )
        self._engine.wake(mission.id)
        is_queued = first.delivery == "queue" and await self._waits(actor, mission.id, first)
        return Sent(first.message_id, mission.id, is_queued)

    async def queue(
        self, actor: Actor, mission_id: MissionId, *, after: str | None = None, limit: int = 100
    ) -> QueuePage:
        """Messages that no run has taken, in the order in which they are carried out.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
            Invalid: `after` is not a cursor of ours (`cursor.invalid`).
        """
        if after is not None and not _POSITION.fullmatch(after):
            raise Invalid("cursor.invalid", "This cursor is not one of ours; begin without one.")
        mission = await self._conversations.get(actor, mission_id)
        owner = actor.user_id
        found = await self._rows.waiting(
            mission.id, owner=owner, after=after or "", limit=limit + 1
        )
        edits = await self._edits(actor, mission.id, found[:limit])
        items = [_queued(waiting, edits) for waiting in found[:limit]]
        is_more = len(found) > limit
        return QueuePage(items, found[limit - 1].row.position if is_more else None)

    async def edit(
        self, actor: Actor, mission_id: MissionId, message_id: MessageId, content: str
    ) -> None:
        """Let a waiting message say something else.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
            Invalid: It is blank or too long.
            Conflict: It waits no longer (`message.not_waiting`).
        """
        event = MessageEdited(message_id=message_id, content=_checked(content), by=actor.user_id)
        await self._change(actor, mission_id, event)

    async def move(
        self,
        actor: Actor,
        mission_id: MissionId,
        message_id: MessageId,
        before: MessageId | None,
    ) -> None:
        """Put a waiting message right before another one; before none means last.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
            Conflict: One of them waits no longer (`message.not_waiting`).
        """
        event = MessageMoved(message_id=message_id, before=before, by=actor.user_id)
        await self._change(actor, mission_id, event)

    async def remove(self, actor: Actor, mission_id: MissionId, message_id: MessageId) -> None:
        """Take a waiting message out of the queue.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
            Conflict: It waits no longer (`message.not_waiting`).
        """
        await self._change(
            actor, mission_id, MessageRemoved(message_id=message_id, by=actor.user_id)
        )

    async def release(self, actor: Actor, mission_id: MissionId) -> Mission:
        """Let a queue that a stop holds go on.

        Raises:
            NotFound: The mission does not exist, or is not the actor's.
        """
        mission = await self._conversations.get(actor, mission_id)
        if mission.is_held:
            await self._change(actor, mission_id, QueueReleased(by=actor.user_id))
            self._engine.wake(mission.id)
        return await self._conversations.get(actor, mission_id)

    async def cancel(self, actor: Actor, mission_id: MissionId) -> None:
        """End a mission's run and hold its queue; on the log when this returns.

        Raises:
            NotFound: The mission does not exist, is not the actor's, or has nothing to end
                (`mission.not_running`).
        """
        mission = await self._conversations.get(actor, mission_id)
        if mission.run_state not in AT_WORK:
            raise NotFound("mission.not_running", f"Mission {mission_id} is not running")
        await request_stop(self._log, self._engine, actor, mission.id)

    async def cancel_current(self, actor: Actor) -> None:
        """End the current mission's run; where nothing runs, those who watch are told."""
        mission = await self._conversations.current(actor)
        if mission is None or mission.run_state not in AT_WORK:
            self._feed.notice(actor.user_id, IDLE)
            return
        await request_stop(self._log, self._engine, actor, mission.id)

    async def _model(
        self, named: str | None, mission: Mission | None, backend: str | None
    ) -> str | None:
        """The model that a message names, for whoever carries it out; none is the mission's."""
        wanted = mission.wanted_model if mission else None
        who = backend
        if who is None and mission is not None and self._places.backends.others:
            who = await self._conversations.backend_of(mission.id)
        if (named or "").strip():
            return await self._places.checked_model(named, who)
        # What the mission wants was checked when it was made, for who was to work on it then.
        if wanted is None or backend is not None:
            await self._places.checked_model(wanted, who)
        return None

    async def _begin(
        self, actor: Actor, new: NewMessage, model: str | None, backend: str | None
    ) -> Mission:
        """The mission that a message begins: one with its workspace, or the first current one."""
        if new.workspace is None:
            return await self._conversations.ensure_current(actor, model, backend)
        begun = NewMission(model=model, workspace=new.workspace, backend=backend)
        key = _checked_key(new.key)
        return await self._conversations.create(actor, begun, key=key and f"message:{key}")

    async def _find(self, actor: Actor, new: NewMessage) -> Mission | None:
        """The mission that is spoken to; none when one has to begin."""
        if new.mission_id is None:
            return None if new.workspace else await self._conversations.current(actor)
        mission = await self._conversations.get(actor, new.mission_id)
        if new.workspace is not None:
            raise Conflict(
                "mission.has_workspace",
                f"Mission {mission.id} works in {mission.workspace}. Leave out `mission_id`, and "
                "a mission with the workspace begins.",
                {"mission_id": mission.id},
            )
        if mission.kind is MissionKind.CHILD:
            raise Conflict(
                "mission.delegated",
                "This mission was delegated by another one, which alone speaks to it.",
                {"parent_id": mission.parent_id},
            )
        return mission

    async def _name(self, actor: Actor, mission: Mission, content: str) -> None:
        """Call a mission by what is asked of it first."""
        await self._log.append_external(
            mission.id,
            MissionRenamed(title=title_of(content), by=actor.user_id),
            key="title:first",
            owner=actor.user_id,
        )

    async def _waits(self, actor: Actor, mission_id: MissionId, sent: MessageReceived) -> bool:
        """Whether a message has to wait for anything but a free worker."""
        if not await self._rows.is_waiting(mission_id, sent.message_id, owner=actor.user_id):
            return False
        try:
            mission = await self._conversations.get(actor, mission_id)
        except NotFound:
            return False  # Carried out, and deleted, since it was accepted.
        if mission.is_held or mission.run_state in (RunState.RUNNING, RunState.WAITING):
            return True
        first = await self._rows.waiting(mission_id, owner=actor.user_id, limit=1)
        return bool(first) and first[0].row.message_id != sent.message_id

    async def _edits(
        self, actor: Actor, mission_id: MissionId, waiting: Sequence[Waiting]
    ) -> dict[MessageId, str]:
        """What waiting messages say now, where that is not what they said first."""
        if not waiting:
            return {}
        after = min(each.row.seq for each in waiting)
        edits: dict[MessageId, str] = {}
        while page := await self._rows.said(mission_id, owner=actor.user_id, after=after):
            for record in page:
                if isinstance(record.event, MessageEdited):
                    edits[record.event.message_id] = record.event.content
            after = page[-1].seq
        return edits

    async def _change(self, actor: Actor, mission_id: MissionId, event: ExternalEvent) -> None:
        mission = await self._conversations.get(actor, mission_id)
        await self._log.append_external(
            mission.id, event, key=f"queue:{new_uuid()}", owner=actor.user_id
        )


def _queued(waiting: Waiting, edits: dict[MessageId, str]) -> Queued:
    event = waiting.record.event
    assert isinstance(event, MessageReceived)
    return Queued(event.message_id, edits.get(event.message_id, event.content), waiting)


def _checked(content: str) -> str:
    content = content.strip()
    if not content:
        raise Invalid("content.required", "content is required")
    size = len(content.encode("utf-8", "replace"))
    if size > LONGEST_MESSAGE_BYTES:
        raise Invalid(
            "content.too_long",
            f"The message has {size:,} bytes; the limit is {LONGEST_MESSAGE_BYTES:,}. "
            "Put long material into a file and name the file in the message.",
            {"bytes": size, "limit": LONGEST_MESSAGE_BYTES},
        )
    return content


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise Invalid(
            "idempotency.key_invalid",
            f"An idempotency key is 1 to {LONGEST_KEY} printable characters.",
        )
    return key
