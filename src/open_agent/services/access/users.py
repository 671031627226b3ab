"""Users in the database: administered, and each looking after their own password.

Users whom the settings name are shown beside them, and changed only there.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from open_agent.core.account import Account, Role
from open_agent.core.actor import Actor, Scope
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, Invalid, NotFound, Refused
from open_agent.core.ids import DEFAULT_OWNER, UserId, new_uuid
from open_agent.services.access.audit import Audit
from open_agent.services.access.directory import Directory, Principal
from open_agent.services.access.gate import Access, require_admin, require_scope
from open_agent.services.access.passwords import Passwords
from open_agent.services.access.throttle import Throttle
from open_agent.store.accounts import AccountChange, Accounts

LONGEST_NAME = 64

StopWork = Callable[[Actor, UserId], Awaitable[None]]
"""Ends everything that a user has at work."""
LetGo = Callable[[UserId], Awaitable[None]]
"""Ends what is kept for a user."""


@dataclass(frozen=True, slots=True)
class UserView:
    """A user as administrators see them.

    Attributes:
        is_named: The settings name them, so that only the settings can change them.
        created_at: None of those whom the settings name.
    """

    id: UserId
    username: str
    role: Role
    is_disabled: bool
    is_named: bool
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewUser:
    """Who is to be added.

    Attributes:
        adopts: They become the owner of what was done before there were users.
    """

    username: str
    password: str
    role: Role = Role.MEMBER
    adopts: bool = False


@dataclass(frozen=True, slots=True)
class UserChange:
    """What is to become of a user; what is none stays as it is."""

    role: Role | None = None
    password: str | None = None
    is_disabled: bool | None = None


class Users:
    """Adds, changes and deletes users. Whatever ends their sessions ends them at once."""

    def __init__(
        self,
        access: Access,
        directory: Directory,
        store: Accounts,
        secrets: tuple[Passwords, Throttle],
        audit: Audit,
        surroundings: tuple[StopWork, Clock],
    ) -> None:
        self._access = access
        self._directory = directory
        self._store = store
        self._passwords, self._throttle = secrets
        self._audit = audit
        self._stop_work, self._clock = surroundings
        self._letting_go: list[LetGo] = []

    def on_leave(self, let_go: LetGo) -> None:
        """Call when somebody may not come any more, and what they had at work is to stop."""
        self._letting_go.append(let_go)

    async def all(self, actor: Actor) -> list[UserView]:
        """Everybody, by name.

        Raises:
            Refused: The actor is no administrator.
        """
        require_admin(actor)
        return [self._view(each) for each in self._directory.people]

    async def get(self, actor: Actor, user_id: UserId) -> UserView:
        """One of them.

        Raises:
            Refused: The actor is no administrator.
            NotFound: There is no such user (`user.not_found`).
        """
        require_admin(actor)
        return self._view(self._person(user_id))

    async def add(self, actor: Actor, new: NewUser) -> UserView:
        """Add a user.

        Raises:
            Refused: The actor is no administrator.
            Invalid: The name or the password is unfit.
            Conflict: The name is taken (`user.exists`), or was adopted already.
        """
        require_admin(actor)
        username = checked_name(new.username)
        if new.adopts and new.role is not Role.ADMIN:
            raise Invalid("user.unfit", "Only an administrator can adopt what was there before.")
        user_id = DEFAULT_OWNER if new.adopts else UserId(new_uuid())
        password = await self._passwords.hash(new.password)
        now = self._clock.now()
        account = Account(user_id, username, new.role, password, now, now)
        is_taken = self._directory.is_taken(username, user_id)
        if is_taken or not await self._store.add_for_system(account):
            raise Conflict(
                "user.exists",
                f"There is a user {username} already, or one whose name looks the same"
                + (", or somebody has adopted what was there before." if new.adopts else "."),
            )
        await self._audit.record(
            actor, "user.added", user_id, {"username": username, "role": new.role.value}
        )
        await self._access.changed()
        return self._view(self._person(user_id))

    async def change(self, actor: Actor, user_id: UserId, change: UserChange) -> UserView:
        """Change a user, which ends all of their sessions.

        Raises:
            Refused: The actor is no administrator.
            NotFound: There is no such user (`user.not_found`).
            Invalid: The password is unfit.
            Conflict: The settings name them (`user.named`), or nobody could administer any more.
        """
        require_admin(actor)
        self._changeable(user_id)
        password = None
        if change.password is not None:
            password = await self._passwords.hash(change.password)
        await self._apply(
            user_id,
            AccountChange(change.role, password, change.is_disabled),
        )
        fields = {
            "role": change.role and change.role.value,
            "is_disabled": change.is_disabled,
            "password": None if password is None else "changed",
        }
        said = {name: value for name, value in fields.items() if value is not None}
        await self._audit.record(actor, "user.changed", user_id, said)
        await self._access.changed()
        if change.is_disabled:
            await self._stop(actor, user_id)
        return self._view(self._person(user_id))

    async def delete(self, actor: Actor, user_id: UserId) -> None:
        """Delete a user, their keys and MCP servers, and stop their work. Their missions stay.

        Raises:
            Refused: The actor is no administrator.
            NotFound: There is no such user (`user.not_found`).
            Conflict: The settings name them (`user.named`), or nobody could administer any more.
        """
        require_admin(actor)
        principal = self._changeable(user_id)
        if not await self._store.delete_for_system(user_id, needs_admin=self._needs_admin()):
            raise self._refusal(user_id)
        details = {"username": principal.username}
        await self._audit.record(actor, "user.deleted", user_id, details)
        await self._access.changed()
        await self._stop(actor, user_id)

    async def change_own_password(self, actor: Actor, old: str, new: str) -> None:
        """Give oneself another password, which ends all of one's sessions.

        Raises:
            Refused: The credential is not good for it, or the old password is wrong.
            Invalid: The new one is unfit.
            Conflict: It is kept in the settings (`user.named`).
            LimitReached: It was tried too often.
        """
        require_scope(actor, Scope.ADMIN)
        principal = self._changeable(actor.user_id)
        self._throttle.enter(actor.address, principal.username)
        if not await self._passwords.is_right(old, principal.password):
            raise Refused("password.wrong", "That is not your password.")
        self._throttle.succeeded(actor.address, principal.username)
        await self._apply(actor.user_id, AccountChange(password=await self._passwords.hash(new)))
        details = {"password": "changed"}
        await self._audit.record(actor, "user.changed", actor.user_id, details)
        await self._access.changed()

    async def _stop(self, actor: Actor, user_id: UserId) -> None:
        await self._stop_work(actor, user_id)
        for let_go in self._letting_go:
            await let_go(user_id)

    async def _apply(self, user_id: UserId, change: AccountChange) -> None:
        is_done = await self._store.change_for_system(
            user_id, change, self._clock.now(), needs_admin=self._needs_admin()
        )
        if not is_done:
            raise self._refusal(user_id)

    def _needs_admin(self) -> bool:
        return not self._directory.has_other_admin()

    def _refusal(self, user_id: UserId) -> Conflict | NotFound:
        if user_id not in self._directory.accounts:
            return _not_found(user_id)
        return Conflict(
            "user.last_admin",
            "This is the last administrator who can sign in. Make another one first.",
        )

    def _person(self, user_id: UserId) -> Principal:
        for each in self._directory.people:
            if each.user_id == user_id:
                return each
        raise _not_found(user_id)

    def _changeable(self, user_id: UserId) -> Principal:
        if user_id in self._directory.accounts and not self._is_named(user_id):
            return self._person(user_id)
        if not self._is_named(user_id) and user_id != DEFAULT_OWNER:
            raise _not_found(user_id)
        if user_id == DEFAULT_OWNER and self._directory.principal(user_id) is None:
            raise _not_found(user_id)
        raise Conflict(
            "user.named",
            "The settings name this user; change OPEN_AGENT_USERS or the password there.",
        )

    def _is_named(self, user_id: UserId) -> bool:
        return any(each.user_id == user_id and each.is_named for each in self._directory.people)

    def _view(self, principal: Principal) -> UserView:
        account = None if principal.is_named else self._directory.accounts.get(principal.user_id)
        return UserView(
            principal.user_id,
            principal.username,
            principal.role,
            principal.is_disabled,
            principal.is_named,
            account.created_at if account else None,
        )


def checked_name(username: str) -> str:
    """A name for a new user, trimmed.

    Raises:
        Invalid: It is empty, too long, or holds what cannot be seen (`user.unfit`).
    """
    username = username.strip()
    if not (0 < len(username) <= LONGEST_NAME and username.isprintable()):
        raise Invalid(
            "user.unfit", f"A username has 1 to {LONGEST_NAME} characters that can be seen."
        )
    return username


def _not_found(user_id: UserId) -> NotFound:
    return NotFound("user.not_found", f"User {user_id} not found.")
