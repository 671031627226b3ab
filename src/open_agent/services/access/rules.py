"""What the operator has set about access, and the mode that follows from it."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from open_agent.core.account import Role
from open_agent.core.ids import UserId


class Mode(StrEnum):
    """Who can call."""

    DISABLED = "disabled"
    """Every program on this machine, without saying who it is."""
    MULTI_USER = "multi_user"
    SINGLE_TENANT = "single_tenant"
    """Whoever has the password."""
    LOCAL = "local"
    """The account that the server runs under, on this machine."""


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user whom the settings name.

    Attributes:
        password: A hash, or as it is typed.
    """

    id: UserId
    username: str
    password: str = field(repr=False)
    role: Role = Role.MEMBER


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What does not change while the server runs.

    Attributes:
        owner_token: What programs of the server's own account present.
        secret: Signs sessions.
        has_own_secret: The operator has set the secret, and can know it.
        lifetime: Of a session.
        accepts_legacy: Tokens of the original are as good as ours.
    """

    owner_token: str = field(repr=False)
    secret: str = field(repr=False)
    is_dev_mode: bool = False
    users: tuple[NamedUser, ...] = ()
    password: str | None = field(default=None, repr=False)
    has_own_secret: bool = False
    lifetime: timedelta = timedelta(days=30)
    accepts_legacy: bool = False

    def mode(self, *, has_accounts: bool) -> Mode:
        """The original's precedence, with `local` where it refused to start."""
        if self.is_dev_mode:
            return Mode.DISABLED
        if self.users or has_accounts:
            return Mode.MULTI_USER
        if self.password and self.has_own_secret:
            return Mode.SINGLE_TENANT
        return Mode.LOCAL
