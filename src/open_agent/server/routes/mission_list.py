"""Missions of every kind in a list of ours: light, filtered, and found by what was said."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from open_agent.core.mission import MissionKind, MissionStatus
from open_agent.core.run import RunState
from open_agent.server.control.wire import MissionItem, mission_item
from open_agent.server.deps import AllServices, CurrentActor
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire
from open_agent.store.paging import MissionFilter, MissionOrder

LISTED = 50
MOST_LISTED = 200

router = APIRouter(prefix="/api/missions", tags=["missions"], responses=failing(401, 422))


class FoundMission(MissionItem):
    """A mission in a list."""

    snippet: str | None = Field(
        default=None, description="Of a search: the line that has the words."
    )
    seq: int | None = Field(default=None, description="Of a search: the event that says it.")


class MissionList(Wire):
    """Some missions."""

    items: list[FoundMission] = Field(description="The missions.")
    next: str | None = Field(description="The `cursor` of the next page; none on the last.")


@router.get("", responses=failing(422))
async def list_all_missions(
    actor: CurrentActor,
    services: AllServices,
    kind: Annotated[list[MissionKind] | None, Query(description="Of these kinds.")] = None,
    status: Annotated[
        list[MissionStatus] | None, Query(description="With one of these statuses.")
    ] = None,
    state: Annotated[
        list[RunState] | None, Query(description="Whose newest run is in one of these states.")
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=1000, description="In which something was said with these words."),
    ] = None,
    order: Annotated[MissionOrder, Query(description="What comes first.")] = MissionOrder.UPDATED,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[!-~]{1,100}$", description="The `next` of the page before."),
    ] = None,
) -> MissionList:
    """Missions without what was said in them; conversations alone unless kinds are named.

    A search gives the mission with the newest match first, on one page.
    """
    kinds = tuple(kind) if kind else (MissionKind.MISSION,)
    where = MissionFilter(kinds, tuple(status or ()), tuple(state or ()))
    conversations = services.control.conversations
    if q is not None and q.strip():
        found = await conversations.search(actor, q, where, limit=limit)
        items = [
            FoundMission(
                **mission_item(each.mission).model_dump(), snippet=each.snippet, seq=each.seq
            )
            for each in found
        ]
        return MissionList(items=items, next=None)
    page = await conversations.page(actor, where, order, after=cursor, limit=limit)
    items = [FoundMission(**mission_item(mission).model_dump()) for mission in page.items]
    return MissionList(items=items, next=page.next)
