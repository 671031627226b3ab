"""Who is calling now, by what right, and what they may do."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from open_agent.core.ids import UserId


class Scope(StrEnum):
    """What a credential is good for; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    """All that its user may do, administration and the user's own account included."""


ALL_SCOPES = frozenset(Scope)


def scopes_within(scope: Scope) -> frozenset[Scope]:
    """A scope with those that it includes."""
    order = list(Scope)
    return frozenset(order[: order.index(scope) + 1])


class CredentialKind(StrEnum):
    """How a caller has shown who they are."""

    OWNER = "owner"
    """The token of `DATA_DIR`."""
    OPEN = "open"
    """Nothing at all: `DEV_MODE`, on this machine."""
    PEER = "peer"
    """The kernel says that the connecting program runs under the server's own account."""
    SESSION = "session"
    """A signed token, in a header or in a cookie."""
    KEY = "key"
    """A personal API key."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller has presented, without anything secret.

    Attributes:
        id: Which one, of its kind.
        epoch: The user's epoch when it was looked at; when the user has another, it has ended.
    """

    kind: CredentialKind
    id: str
    user_id: UserId
    epoch: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """An authenticated caller. Everything they can reach belongs to `user_id`.

    Attributes:
        is_admin: They may administer, with this very credential.
        username: What people call them; empty where there is one user.
        scopes: What the credential is good for.
        credential: How they have shown who they are.
        address: Where they call from.
    """

    user_id: UserId
    is_admin: bool = False
    username: str = ""
    scopes: frozenset[Scope] = ALL_SCOPES
    credential: Credential | None = field(default=None, compare=False)
    address: str = field(default="", compare=False)
