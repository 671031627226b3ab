"""The audit log, for administrators."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from open_agent.core.account import AuditEntry
from open_agent.server.deps import AllServices, CurrentActor
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire

LISTED = 100
MOST_LISTED = 1000

router = APIRouter(prefix="/api/audit", tags=["access"], responses=failing(401, 403, 422))


class Entry(Wire):
    """Something that somebody did which others may have to answer for."""

    id: str = Field(description="The entry's id.")
    at: datetime = Field(description="When, in UTC.")
    actor_id: str | None = Field(description="Who did it; none when nobody was signed in.")
    actor_name: str = Field(description="Their name at that time.")
    action: str = Field(description="What was done: `login.failed`, `user.added`, `key.revoked`.")
    target: str = Field(description="To what or whom.")
    details: dict[str, Any] = Field(description="What else matters.")
    address: str = Field(description="From where.")


class EntryList(Wire):
    """Some entries, newest first."""

    items: list[Entry] = Field(description="The entries.")
    next: str | None = Field(description="The `after` of the next page; none on the last.")


@router.get("")
async def list_entries(
    actor: CurrentActor,
    services: AllServices,
    after: Annotated[
        str | None, Query(pattern=r"^[!-~]{1,100}$", description="The `next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED, description="At most so many.")] = LISTED,
) -> EntryList:
    """Logins and failed ones, changes of users and keys, grants, approvals and deletions."""
    page = await services.access.audit.page(actor, after=after, limit=limit)
    return EntryList(items=[_shown(entry) for entry in page.items], next=page.next)


def _shown(entry: AuditEntry) -> Entry:
    return Entry(
        id=entry.id,
        at=entry.at,
        actor_id=entry.actor_id,
        actor_name=entry.actor_name,
        action=entry.action,
        target=entry.target,
        details=dict(entry.details),
        address=entry.address,
    )
