"""The control session: speaking to the current mission or to a named one, and following all."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId
from open_agent.events.model.message import Delivery
from open_agent.server.control.events import CONTROL_EVENTS
from open_agent.server.control.wire import (
    Done,
    OpenQuestion,
    ParallelConfig,
    ProgressView,
    RunningMission,
    SentMessage,
    TreeNode,
    open_question,
    progress_view,
    running_mission,
    tree_node,
)
from open_agent.server.deps import AllControlStreams, AllServices, CurrentActor, StreamCursor
from open_agent.server.descriptions import CONTROL_STREAM, event_stream, failing
from open_agent.server.routes.workspaces import ChooseWorkspace
from open_agent.services.control.messages import NewMessage
from open_agent.services.control.tree import Progress

router = APIRouter(prefix="/api/control", tags=["control"], responses=failing(401, 422))

Key = Annotated[
    str | None,
    Header(description="Made by the client: the same key again is answered with the same thing."),
]


class SendMessage(BaseModel):
    """Something to say. Fields that are not listed are passed over."""

    content: str = Field(description="What to say.")
    mission_id: str | None = Field(
        default=None, description="To which mission; to the current one if not given."
    )
    model: str | None = Field(default=None, description="For the run that it starts.")
    delivery: Delivery = Field(
        default="queue",
        description="`queue`: after the run under way; `steer`: before its next model call; "
        "`interrupt`: it stops now, then this.",
    )
    key: str | None = Field(default=None, description="As the header `Idempotency-Key`.")
    workspace: ChooseWorkspace | None = Field(
        default=None, description="Begins a new mission with it; without `mission_id` only."
    )
    backend: str | None = Field(
        default=None,
        description="Who carries out the run that it starts: `native` or `opencode`; as the mission"
        " has it if not given.",
    )


class ToolResult(BaseModel):
    """An answer to something a run asked. Fields that are not listed are passed over."""

    tool_call_id: str = Field(description="What is answered, as the stream showed it.")
    name: str = Field(description="The tool that asked.")
    result: Any = Field(description="The answer: any JSON that fits what was asked.")
    mission_id: str | None = Field(default=None, description="Where it was asked.")


@router.post("/message", responses=failing(400, 404, 409, 413, 415, 422, 429, 503, 507))
async def send_message(
    body: SendMessage, actor: CurrentActor, services: AllServices, idempotency_key: Key = None
) -> SentMessage:
    """Say something; it is durable when this answers.

    It goes to the mission named, else to the one that is current now, which is made if there is
    none. The mission is active again, and a queue that a stop holds goes on.
    """
    sent = await services.control.messages.send(
        actor,
        NewMessage(
            body.content,
            MissionId(body.mission_id.lower()) if body.mission_id else None,
            body.model,
            body.delivery,
            idempotency_key or body.key or None,
            body.workspace and body.workspace.choice(),
            body.backend,
        ),
    )
    return SentMessage(id=sent.message_id, queued=sent.is_queued, mission_id=sent.mission_id)


@router.post("/tool_result", responses=failing(400, 404, 409, 413, 415, 422))
async def answer_question(body: ToolResult, actor: CurrentActor, services: AllServices) -> Done:
    """Answer what a run asked; the first answer counts, and the run goes on with it."""
    for name in ("tool_call_id", "name"):
        if not getattr(body, name).strip():
            raise Invalid(f"{name}.required", f"{name} is required")
    mission_id = MissionId(body.mission_id.lower()) if body.mission_id else None
    call_id = body.tool_call_id.strip()
    await services.control.answers.answer(actor, call_id, body.result, mission_id)
    return Done()


@router.get("/questions")
async def list_questions(actor: CurrentActor, services: AllServices) -> list[OpenQuestion]:
    """What waits for a person now."""
    return [open_question(each) for each in await services.control.answers.waiting(actor)]


@router.post("/cancel")
async def cancel_current(actor: CurrentActor, services: AllServices) -> Done:
    """End the current mission's run and hold its queue; where nothing runs, the stream says so."""
    await services.control.messages.cancel_current(actor)
    return Done()


@router.get("/tree", response_model_exclude_none=False)
async def get_tree(actor: CurrentActor, services: AllServices) -> TreeNode | None:
    """The parts of the current mission's work."""
    mission = await services.control.conversations.current(actor)
    tree = await services.control.trees.tree(actor, mission) if mission else None
    return tree_node(tree) if tree else None


@router.get("/progress")
async def get_progress(actor: CurrentActor, services: AllServices) -> ProgressView:
    """How much of the current mission's work is done."""
    mission = await services.control.conversations.current(actor)
    if mission is None:
        return progress_view(Progress())
    return progress_view(await services.control.trees.progress(actor, mission))


@router.get("/running")
async def list_running(actor: CurrentActor, services: AllServices) -> list[RunningMission]:
    """Missions with something to do."""
    conversations = services.control.conversations
    return [
        running_mission(mission, conversations.seconds_at_rest(mission))
        for mission in await conversations.at_work(actor)
    ]


@router.get("/parallel/config")
async def get_parallel_config(actor: CurrentActor, services: AllServices) -> ParallelConfig:
    """How many missions may be at work at once; what is beyond it waits in order."""
    at_work = await services.control.conversations.at_work(actor)
    return ParallelConfig(
        max_parallel_missions=services.control.most_at_once, running_count=len(at_work)
    )


@router.get(
    "/stream",
    response_class=Response,
    responses=event_stream(CONTROL_STREAM, **CONTROL_EVENTS),
)
async def stream_control(
    actor: CurrentActor, streams: AllControlStreams, cursor: StreamCursor
) -> Response:
    """Follow everything that happens to the caller's missions."""
    return await streams.open(actor, cursor)
