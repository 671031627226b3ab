"""The event view: everything that happened to a mission, page by page or as it happens."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from open_agent.core.mission import Mission
from open_agent.events.delta import Delta
from open_agent.events.record import Record
from open_agent.server.deps import (
    AllServices,
    AllStreams,
    CurrentActor,
    MissionIdInPath,
    StreamCursor,
)
from open_agent.server.descriptions import MISSION_STREAM, Reset, event_stream, failing
from open_agent.server.wire import Wire

LISTED = 200
MOST_LISTED = 1000
LARGEST_SEQ = 2**53 - 1
"""What the numbers of every client can hold."""

router = APIRouter(prefix="/api/missions", tags=["missions"], responses=failing(401, 404, 422))


class RecordList(Wire):
    """Some records of a mission, in order."""

    items: list[Record] = Field(description="The records.")
    next: int | None = Field(description="The `after` of the next page; none on the last.")


@router.get("/{id}/events", response_model=RecordList)
async def list_events(
    mission_id: MissionIdInPath,
    actor: CurrentActor,
    services: AllServices,
    after: Annotated[
        int | None,
        Query(ge=0, le=LARGEST_SEQ, description="Only events with a larger `seq`."),
    ] = None,
    before: Annotated[
        int | None,
        Query(
            ge=0,
            le=LARGEST_SEQ,
            description="Only events with a smaller `seq`; without `after`, the newest of them.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
) -> Response:
    """Events in the order in which they happened.

    Events of types that this server does not know are passed on as they are stored.
    """
    page = await services.missions.page(actor, mission_id, after=after, before=before, limit=limit)
    items = b",".join(record.json for record in page.items)
    following = b"null" if page.next is None else b"%d" % page.next
    body = b'{"items":[%b],"next":%b}' % (items, following)
    return Response(body, media_type="application/json")


@router.get(
    "/{id}/stream",
    response_class=Response,
    responses=event_stream(
        MISSION_STREAM, snapshot=Mission, records=Record, delta=Delta, reset=Reset
    ),
)
async def stream_mission(
    mission_id: MissionIdInPath,
    actor: CurrentActor,
    services: AllServices,
    streams: AllStreams,
    cursor: StreamCursor,
) -> Response:
    """Follow a mission: what it is now, its events, and text as it is being written."""
    return await streams.mission(await services.missions.get(actor, mission_id), cursor)
