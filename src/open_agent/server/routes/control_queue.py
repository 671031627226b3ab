"""The queue of a mission: messages that no run has taken yet."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, model_validator

from open_agent.core.ids import MessageId
from open_agent.server.control.wire import Done, QueueView, queued_messages
from open_agent.server.deps import UUID, AllServices, CurrentActor, MissionIdInPath
from open_agent.server.descriptions import failing
from open_agent.services.control.messages import LONGEST_POSITION

LISTED = 100
MOST_LISTED = 1000

router = APIRouter(
    prefix="/api/control/missions/{id}/queue", tags=["control"], responses=failing(401, 404, 422)
)

MessageIdInPath = Annotated[str, Path(description="The message's id.", json_schema_extra=UUID)]


class ChangeMessage(BaseModel):
    """What is to be different. Fields that are not listed are passed over."""

    content: str | None = Field(default=None, description="What it says from now on.")
    before: str | None = Field(
        default=None, description="The waiting message that it is to stand before; null: last."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "ChangeMessage":
        if not self.model_fields_set & {"content", "before"}:
            raise ValueError("give `content`, `before` or both")
        return self


class Released(Done):
    """A queue goes on."""

    queue_len: int = Field(description="Messages that wait.")


@router.get("", responses=failing(422))
async def list_queue(
    mission_id: MissionIdInPath,
    actor: CurrentActor,
    services: AllServices,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
    cursor: Annotated[
        str | None, Query(max_length=LONGEST_POSITION, description="The `next` of the page before.")
    ] = None,
) -> QueueView:
    """Messages in the order in which they are carried out."""
    mission = await services.control.conversations.get(actor, mission_id)
    page = await services.control.messages.queue(actor, mission_id, after=cursor, limit=limit)
    return QueueView(items=queued_messages(page.items), next=page.next, is_held=mission.is_held)


@router.patch("/{message_id}", responses=failing(400, 409, 413, 415, 422))
async def change_queued_message(
    mission_id: MissionIdInPath,
    message_id: MessageIdInPath,
    body: ChangeMessage,
    actor: CurrentActor,
    services: AllServices,
) -> Done:
    """Let a waiting message say something else, or give it another place."""
    messages, message = services.control.messages, MessageId(message_id.lower())
    if body.content is not None:
        await messages.edit(actor, mission_id, message, body.content)
    if "before" in body.model_fields_set:
        before = MessageId(body.before.lower()) if body.before else None
        await messages.move(actor, mission_id, message, before)
    return Done()


@router.delete("/{message_id}", responses=failing(409))
async def remove_queued_message(
    mission_id: MissionIdInPath,
    message_id: MessageIdInPath,
    actor: CurrentActor,
    services: AllServices,
) -> Done:
    """Take a message out of the queue; it will not be carried out."""
    await services.control.messages.remove(actor, mission_id, MessageId(message_id.lower()))
    return Done()


@router.post("/release")
async def release_queue(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> Released:
    """Let a queue go on that a stop holds."""
    mission = await services.control.messages.release(actor, mission_id)
    return Released(queue_len=mission.queued)
