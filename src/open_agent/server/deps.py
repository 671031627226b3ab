"""What routes are given: the actor, the services, ids and cursors as the wire has them.

All of them are `async`, though none waits: FastAPI runs others in threads, which takes ten times
as long as a small request.
"""

from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from pydantic import JsonValue

from open_agent.core.actor import Actor
from open_agent.core.ids import MissionId, UserId
from open_agent.server.auth import ACTOR
from open_agent.server.control.stream import ControlStreams
from open_agent.server.services import Services
from open_agent.server.streams import Streams

UUID: dict[str, JsonValue] = {"format": "uuid"}
"""How ids are described; what is none is not found, and not of a wrong shape."""


async def get_actor(request: Request) -> Actor:
    """Who is calling; `auth.py` has let nobody else in."""
    actor: Actor = request.scope[ACTOR]
    return actor


async def get_services(request: Request) -> Services:
    """What can be asked."""
    services: Services = request.app.state.services
    return services


async def get_streams(request: Request) -> Streams:
    """What opens streams."""
    streams: Streams = request.app.state.streams
    return streams


async def get_control_streams(request: Request) -> ControlStreams:
    """What opens control streams."""
    streams: ControlStreams = request.app.state.control_streams
    return streams


async def get_task_id(
    id: Annotated[str, Path(description="The task's id.", json_schema_extra=UUID)],
) -> MissionId:
    """A task's id in the form that we hand out; the service says whether it is one."""
    return MissionId(id.lower())


async def get_mission_id(
    id: Annotated[str, Path(description="The mission's id.", json_schema_extra=UUID)],
) -> MissionId:
    """A mission's id in the form that we hand out; the service says whether it is one."""
    return MissionId(id.lower())


async def get_user_id(id: Annotated[str, Path(description="The user's id.")]) -> UserId:
    """A user's id; the service says whether it is one."""
    return UserId(id)


async def get_mcp_id(
    id: Annotated[str, Path(description="The server's id.", json_schema_extra=UUID)],
) -> str:
    """An MCP server's id in the form that we hand out; the service says whether it is one."""
    return id.lower()


async def get_key_id(
    id: Annotated[str, Path(description="The key's id.", json_schema_extra=UUID)],
) -> str:
    """A key's id in the form that we hand out; the service says whether it is one."""
    return id.lower()


async def get_cursor(
    last_event_id: Annotated[
        str | None,
        Header(description="The `id` of the last event that was seen; wins over `after`."),
    ] = None,
    after: Annotated[
        str | None, Query(description="As `Last-Event-ID`, for clients that cannot send it.")
    ] = None,
) -> str | None:
    """Where a stream is to go on."""
    return last_event_id or after


CurrentActor = Annotated[Actor, Depends(get_actor)]
AllServices = Annotated[Services, Depends(get_services)]
AllControlStreams = Annotated[ControlStreams, Depends(get_control_streams)]
AllStreams = Annotated[Streams, Depends(get_streams)]
TaskIdInPath = Annotated[MissionId, Depends(get_task_id)]
MissionIdInPath = Annotated[MissionId, Depends(get_mission_id)]
UserIdInPath = Annotated[UserId, Depends(get_user_id)]
KeyIdInPath = Annotated[str, Depends(get_key_id)]
McpIdInPath = Annotated[str, Depends(get_mcp_id)]
StreamCursor = Annotated[str | None, Depends(get_cursor)]
