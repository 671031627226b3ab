"""Personal API keys."""

from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from open_agent.core.account import ApiKey
from open_agent.core.actor import Scope
from open_agent.server.deps import AllServices, CurrentActor, KeyIdInPath
from open_agent.server.descriptions import failing
from open_agent.server.wire import Wire

MOST_DAYS = 3650

router = APIRouter(prefix="/api/keys", tags=["access"], responses=failing(401, 403, 422))


class CreateKey(BaseModel):
    """A new key."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What it is for; 1 to 100 characters.")
    scope: Scope = Field(
        default=Scope.WRITE,
        description="`read`, `write` (which includes it) or `admin` (all that its user may do).",
    )
    days: int | None = Field(
        default=None, ge=1, le=MOST_DAYS, description="How long it is good; until revoked if not."
    )


class Key(Wire):
    """A key, without the key itself."""

    id: str = Field(description="The key's id.")
    name: str = Field(description="What it is for.")
    scope: Scope = Field(description="What it is good for.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends, if it does.")
    last_used_at: datetime | None = Field(description="When it was used last, to the minute.")


class MadeKey(Key):
    """A new key, with the key itself."""

    key: str = Field(description="The key. It is shown this once.")


class KeyList(Wire):
    """The caller's keys, oldest first."""

    items: list[Key] = Field(description="The keys.")
    next: None = Field(default=None, description="Always null: all of them are listed.")


@router.get("")
async def list_keys(actor: CurrentActor, services: AllServices) -> KeyList:
    """The caller's keys."""
    return KeyList(items=[Key(**_fields(key)) for key in await services.access.keys.all(actor)])


@router.post("", status_code=201, responses=failing(400, 409, 413, 415, 429))
async def create_key(body: CreateKey, actor: CurrentActor, services: AllServices) -> MadeKey:
    """Make a key, to send as `Authorization: Bearer <key>`."""
    lifetime = None if body.days is None else timedelta(days=body.days)
    made = await services.access.keys.make(actor, body.name, body.scope, lifetime=lifetime)
    return MadeKey(**_fields(made.key), key=made.secret)


@router.delete("/{id}", status_code=204, responses=failing(404))
async def revoke_key(key_id: KeyIdInPath, actor: CurrentActor, services: AllServices) -> None:
    """Let a key be good for nothing any more, at once."""
    await services.access.keys.revoke(actor, key_id)


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
    }
