"""Missions, as the original's clients know them."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from open_agent.core.actor import Actor
from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.server.control.wire import Done, MissionView, TreeNode, mission_view, tree_node
from open_agent.server.deps import AllServices, CurrentActor, MissionIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.routes.control import Key
from open_agent.server.routes.workspaces import ChooseWorkspace
from open_agent.server.services import Services
from open_agent.services.control.conversations import NewMission
from open_agent.services.control.forks import NewFork
from open_agent.services.control.messages import NewMessage
from open_agent.store.paging import MissionFilter, MissionOrder

LISTED = 50
MOST_LISTED = 200
LARGEST_SEQ = 2**53 - 1

router = APIRouter(prefix="/api/control/missions", tags=["control"], responses=failing(401, 422))


class CreateMission(BaseModel):
    """A new mission. Fields that are not listed are passed over."""

    title: str | None = Field(default=None, description="From the first message, if not given.")
    model_override: str | None = Field(
        default=None, description="The model of messages that name none."
    )
    working_dir: str | None = Field(
        default=None,
        description="An absolute path to work in, made if missing; a new directory if not given.",
    )
    workspace: ChooseWorkspace | None = Field(
        default=None, description="Where to work, in more ways than `working_dir` knows."
    )
    backend: str | None = Field(
        default=None,
        description="Who carries out runs whose message names nobody: `native` or `opencode`.",
    )


class RenameMission(BaseModel):
    """A change of a mission. Fields that are not listed are passed over."""

    title: str = Field(description="The title from now on.")


class SetStatus(BaseModel):
    """How the goal stands."""

    status: MissionStatus = Field(description="What to say of it.")


class ResumeMission(BaseModel):
    """How to go on."""

    clean_workspace: bool = Field(
        default=False, description="Empty the working directory first; only one of our making."
    )


class StartParallel(BaseModel):
    """Something to say to a mission, whichever is current."""

    content: str = Field(description="What to say.")
    model: str | None = Field(default=None, description="For the run that it starts.")
    backend: str | None = Field(
        default=None, description="Who carries it out; as the mission has it if not given."
    )


class ForkMission(BaseModel):
    """From where to begin anew."""

    at_seq: int = Field(ge=1, le=LARGEST_SEQ, description="The newest event to take over.")
    title: str | None = Field(default=None, description="The new mission's title.")


class DeletedMission(Done):
    """A mission is gone."""

    deleted: str = Field(description="The mission.")
    notes: list[str] = Field(description="What of its workspace stays, for a person.")


class CancelledMission(Done):
    """A mission's run ends, or is about to."""

    cancelled: str = Field(description="The mission.")


class StartedMission(Done):
    """A message is durable."""

    mission_id: str = Field(description="The mission.")
    id: str = Field(description="The message.")


class CleanedUp(Done):
    """Empty missions are gone."""

    deleted_count: int = Field(description="So many.")


NEW_MISSION, RESUMED = CreateMission(), ResumeMission()
"""What a request without a body asks for."""


@router.get("", responses=failing(422))
async def list_missions(
    actor: CurrentActor,
    services: AllServices,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[!-~]{1,100}$", description="From the `Link` header of the page before."),
    ] = None,
) -> list[MissionView]:
    """Missions with what was said in them, the one changed last first.

    The next page is the `Link` header's `rel="next"`. `GET /api/missions` lists them without
    what was said, and finds them by it.
    """
    conversations = services.control.conversations
    page = await conversations.page(
        actor,
        MissionFilter(kinds=(MissionKind.MISSION,)),
        MissionOrder.UPDATED,
        after=cursor,
        limit=limit,
    )
    if page.next is not None:
        query = urlencode({"limit": limit, "cursor": page.next})
        response.headers["Link"] = f'</api/control/missions?{query}>; rel="next"'
    histories = await conversations.histories(actor, page.items)
    return [mission_view(mission, histories.get(mission.id, ())) for mission in page.items]


@router.post("", responses=failing(400, 404, 409, 413, 415, 422, 503, 507))
async def create_mission(
    actor: CurrentActor,
    services: AllServices,
    body: CreateMission = NEW_MISSION,
    idempotency_key: Key = None,
) -> MissionView:
    """Make a mission; it is current from now on. What runs goes on."""
    workspace = body.workspace and body.workspace.choice()
    new = NewMission(body.title, body.model_override, body.working_dir, workspace, body.backend)
    mission = await services.control.conversations.create(actor, new, key=idempotency_key or None)
    return mission_view(mission, ())


@router.get("/current")
async def get_current_mission(actor: CurrentActor, services: AllServices) -> MissionView | None:
    """The mission that messages go to which name none; null when there is none."""
    mission = await services.control.conversations.current(actor)
    return await _view(services, actor, mission) if mission else None


@router.post("/cleanup")
async def clean_up_missions(actor: CurrentActor, services: AllServices) -> CleanedUp:
    """Delete missions that nobody named or spoke to."""
    return CleanedUp(deleted_count=await services.control.removal.clean_up(actor))


@router.get("/{id}", responses=failing(404))
async def get_mission(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> MissionView:
    """A mission, with what was said in it."""
    mission = await services.control.conversations.get(actor, mission_id)
    return await _view(services, actor, mission)


@router.patch("/{id}", responses=failing(400, 404, 413, 415, 422))
async def rename_mission(
    mission_id: MissionIdInPath, body: RenameMission, actor: CurrentActor, services: AllServices
) -> MissionView:
    """Give a mission another title."""
    mission = await services.control.conversations.rename(actor, mission_id, body.title)
    return await _view(services, actor, mission)


@router.delete("/{id}", responses=failing(404, 409))
async def delete_mission(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> DeletedMission:
    """Delete a mission with its events, its outputs, and its workspace if we made it.

    What was to be kept stays, and what would be lost: a worktree with files that are not committed,
    and its branch while it has commits that are nowhere else.
    """
    notes = await services.control.removal.delete(actor, mission_id)
    return DeletedMission(deleted=mission_id, notes=notes)


@router.get("/{id}/tree", responses=failing(404))
async def get_mission_tree(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> TreeNode | None:
    """The parts of a mission's work; null before its first message."""
    mission = await services.control.conversations.get(actor, mission_id)
    tree = await services.control.trees.tree(actor, mission)
    return tree_node(tree) if tree else None


@router.post("/{id}/load", responses=failing(404))
async def load_mission(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> MissionView:
    """Make a mission the current one. Nothing that was sent goes elsewhere for it."""
    mission = await services.control.conversations.get(actor, mission_id)
    await services.control.conversations.select(actor, mission)
    return await _view(services, actor, mission)


@router.post("/{id}/status", responses=failing(400, 404, 413, 415, 422))
async def set_mission_status(
    mission_id: MissionIdInPath, body: SetStatus, actor: CurrentActor, services: AllServices
) -> Done:
    """Say how the goal stands. What runs goes on; the next message makes it active again."""
    await services.control.conversations.set_status(actor, mission_id, body.status)
    return Done()


@router.post("/{id}/cancel", responses=failing(404))
async def cancel_mission(
    mission_id: MissionIdInPath, actor: CurrentActor, services: AllServices
) -> CancelledMission:
    """End a mission's run, with every process it started, and hold its queue."""
    await services.control.messages.cancel(actor, mission_id)
    return CancelledMission(cancelled=mission_id)


@router.post("/{id}/resume", responses=failing(400, 404, 413, 415, 422, 429, 503))
async def resume_mission(
    mission_id: MissionIdInPath,
    actor: CurrentActor,
    services: AllServices,
    body: ResumeMission = RESUMED,
) -> MissionView:
    """Go on with a mission that stopped before its goal."""
    resuming = services.control.resuming
    mission = await resuming.resume(actor, mission_id, is_cleaned=body.clean_workspace)
    return await _view(services, actor, mission)


@router.post("/{id}/parallel", responses=failing(400, 404, 409, 413, 415, 422, 429, 503))
async def start_parallel(
    mission_id: MissionIdInPath, body: StartParallel, actor: CurrentActor, services: AllServices
) -> StartedMission:
    """Say something to a mission beside the current one.

    Where as many are at work already as may be, it waits in order; where this one is, it is
    carried out after that run.
    """
    sent = await services.control.messages.send(
        actor, NewMessage(body.content, mission_id, body.model, backend=body.backend)
    )
    return StartedMission(mission_id=sent.mission_id, id=sent.message_id)


@router.post("/{id}/fork", status_code=201, responses=failing(400, 404, 409, 413, 415, 422, 507))
async def fork_mission(
    mission_id: MissionIdInPath,
    body: ForkMission,
    actor: CurrentActor,
    services: AllServices,
    idempotency_key: Key = None,
) -> MissionView:
    """A new mission with this one's history up to an event; it is current, and nothing starts.

    Files are not rewound; the model is told. A fork of a mission with a worktree gets a worktree of
    its own, from what is committed there now.
    """
    new = NewFork(body.at_seq, body.title, idempotency_key or None)
    mission = await services.control.forks.fork(actor, mission_id, new)
    return await _view(services, actor, mission)


async def _view(services: Services, actor: Actor, mission: Mission) -> MissionView:
    histories = await services.control.conversations.histories(actor, [mission])
    return mission_view(mission, histories.get(mission.id, ()))
