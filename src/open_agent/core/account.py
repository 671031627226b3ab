"""People with an account, their keys, and the record of what was done with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from open_agent.core.actor import Scope
from open_agent.core.ids import UserId


class Role(StrEnum):
    """What a user may do beside their own work."""

    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Account:
    """A user in the database.

    Attributes:
        password: Its hash.
        epoch: Counts the changes that end every session of the user.
    """

    id: UserId
    username: str
    role: Role
    password: str = field(repr=False)
    created_at: datetime
    updated_at: datetime
    epoch: int = 0
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A personal key, without the key itself.

    Attributes:
        digest: What the key is recognised by.
    """

    id: str
    owner_id: UserId
    name: str
    scope: Scope
    digest: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that somebody did which others may have to answer for.

    Attributes:
        actor_id: Who did it; none when nobody was signed in.
        action: What was done, `noun.verb` in the past: `login.failed`.
        target: To what or whom, as an id.
        address: From where.
    """

    id: str
    at: datetime
    actor_id: UserId | None
    actor_name: str
    action: str
    target: str
    details: Mapping[str, Any]
    address: str
