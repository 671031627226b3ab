"""The task API, as the original's clients know it."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, Field

from open_agent.core.run import RunState
from open_agent.server.deps import AllServices, AllStreams, CurrentActor, StreamCursor, TaskIdInPath
from open_agent.server.descriptions import SEEN, TASK_STREAM, Reset, event_stream, failing
from open_agent.server.frames import instruction, log_entries
from open_agent.server.routes.workspaces import ChooseWorkspace
from open_agent.server.wire import (
    LogEntry,
    TaskDone,
    TaskState,
    TaskStats,
    TaskStatus,
    Wire,
    task_state,
    task_stats,
    task_status,
)
from open_agent.services.tasks import TaskRequest

MOST_CENTS = 10_000_000_000
LISTED = 50
MOST_LISTED = 200

router = APIRouter(prefix="/api", tags=["tasks"], responses=failing(401))


class CreateTask(BaseModel):
    """What is to be done, and within what. Fields that are not listed are passed over."""

    task: str = Field(description="The instruction.")
    model: str | None = Field(default=None, description="The model; the server's default if not.")
    working_dir: str | None = Field(
        default=None,
        description="An absolute path to work in, made if missing; a new directory if not given.",
    )
    budget_cents: int | None = Field(
        default=None,
        ge=0,
        le=MOST_CENTS,
        description="What it may cost in US cents; 0 means no limit, none the server's default.",
    )
    workspace: ChooseWorkspace | None = Field(
        default=None, description="Where to work, in more ways than `working_dir` knows."
    )
    backend: str | None = Field(
        default=None,
        description="Who carries it out: `native` or `opencode`; the server's default if not.",
    )


class CreatedTask(Wire):
    """A task that is accepted and durable."""

    id: str = Field(description="The task's id.")
    status: TaskStatus = Field(description="`pending`, or where it is when it was sent before.")


class StoppedTask(Wire):
    """What came of a stop."""

    success: bool = Field(description="The task ends, or is about to.")
    message: str = Field(description="The same for a person.")


@router.post("/task", responses=failing(400, 404, 409, 413, 415, 422, 503, 507))
async def create_task(
    body: CreateTask,
    actor: CurrentActor,
    services: AllServices,
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Made by the client: the same key again is answered with the same task."
        ),
    ] = None,
) -> CreatedTask:
    """Hand over a task; it is durable when this answers, and carried out from then on."""
    workspace = body.workspace and body.workspace.choice()
    request = TaskRequest(
        body.task, body.model, body.working_dir, body.budget_cents, workspace, body.backend
    )
    mission = await services.tasks.submit(actor, request, key=idempotency_key or None)
    return CreatedTask(id=mission.id, status=task_status(mission.run_state, mission.outcome))


@router.get("/task/{id}", responses=failing(404, 422))
async def get_task(task_id: TaskIdInPath, actor: CurrentActor, services: AllServices) -> TaskState:
    """A task as it is now, with all of its log."""
    mission = await services.tasks.get(actor, task_id)
    records = await services.missions.all(mission)
    return task_state(
        mission,
        task=instruction(records),
        log=log_entries(records),
        default_model=services.system.installation.default_model,
    )


@router.post("/task/{id}/stop", responses=failing(400, 404, 422))
async def stop_task(
    task_id: TaskIdInPath, actor: CurrentActor, services: AllServices
) -> StoppedTask:
    """End a task, with every process that it started."""
    mission = await services.tasks.stop(actor, task_id)
    if mission.run_state is RunState.FINISHED:
        return StoppedTask(success=True, message="Task cancelled")
    return StoppedTask(success=True, message="Task is being cancelled")


@router.get(
    "/task/{id}/stream",
    response_class=Response,
    responses=event_stream(TASK_STREAM, log=LogEntry, done=TaskDone, reset=Reset)
    | SEEN
    | failing(404, 422),
)
async def stream_task(
    task_id: TaskIdInPath,
    actor: CurrentActor,
    services: AllServices,
    streams: AllStreams,
    cursor: StreamCursor,
) -> Response:
    """Follow a task's log as it is written, to its end."""
    return await streams.task(await services.tasks.get(actor, task_id), cursor)


@router.get("/tasks", responses=failing(422))
async def list_tasks(
    actor: CurrentActor,
    services: AllServices,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[!-~]{1,100}$", description="From the `Link` header of the page before."),
    ] = None,
) -> list[TaskState]:
    """Tasks, newest first; the next page is the `Link` header's `rel="next"`.

    Their `log` is empty here; `GET /api/task/{id}` has it.
    """
    page = await services.tasks.page(actor, after=cursor, limit=limit)
    if page.next is not None:
        query = urlencode({"limit": limit, "cursor": page.next})
        response.headers["Link"] = f'</api/tasks?{query}>; rel="next"'
    default_model = services.system.installation.default_model
    return [
        task_state(
            mission,
            task=instruction(await services.missions.some(mission, after=0, count=2)),
            log=[],
            default_model=default_model,
        )
        for mission in page.items
    ]


@router.get("/stats")
async def get_stats(actor: CurrentActor, services: AllServices) -> TaskStats:
    """What the caller's tasks add up to."""
    return task_stats(await services.stats.of_tasks(actor))
