"""Everybody who may sign in, wherever they are kept: in the settings, in the database, or alone.

What the database holds is read once and kept; `refresh` reads it again after a change of our own,
and every few seconds if another process has made one.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field

import anyio

from open_agent.core.account import Account, ApiKey, Role
from open_agent.core.ids import DEFAULT_OWNER, UserId
from open_agent.services.access.rules import AccessRules, Mode, NamedUser
from open_agent.store.accounts import Accounts, Snapshot, name_key

_EMPTY = Snapshot(0, (), (), frozenset())


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who may sign in.

    Attributes:
        password: A hash, or as it is typed; none while only codes let in.
        epoch: A session that was begun in another one has ended.
        is_named: The settings name them, so that only the settings can change them.
    """

    user_id: UserId
    username: str
    role: Role
    password: str | None = field(repr=False)
    epoch: str
    is_disabled: bool = False
    is_named: bool = False


class Directory:
    """Looks people, keys and ended sessions up."""

    def __init__(self, store: Accounts, rules: AccessRules) -> None:
        self.rules = rules
        self._store = store
        self._turn = anyio.Lock()
        self._named = {
            user.id: _named(user, _fingerprint(rules.secret, user)) for user in rules.users
        }
        owner_secret = rules.password or rules.owner_token
        self._owner = Principal(
            DEFAULT_OWNER,
            "",
            Role.ADMIN,
            rules.password,
            _fingerprint(rules.secret, owner_secret),
        )
        self._take(_EMPTY)

    @property
    def mode(self) -> Mode:
        """Who can call."""
        return self.rules.mode(has_accounts=bool(self._snapshot.accounts))

    @property
    def people(self) -> list[Principal]:
        """Everybody of the settings and of the database, by name."""
        return sorted(self._people.values(), key=lambda each: name_key(each.username))

    @property
    def accounts(self) -> dict[UserId, Account]:
        """Those of the database."""
        return self._accounts

    def principal(self, user_id: UserId) -> Principal | None:
        """Who has this id, disabled or not."""
        if self.mode is not Mode.MULTI_USER and user_id == DEFAULT_OWNER:
            return self._owner
        return self._people.get(user_id)

    def named(self, username: str) -> Principal | None:
        """Who signs in with this name."""
        return self._by_name.get(username)

    def is_taken(self, username: str, user_id: UserId) -> bool:
        """Whether the settings have this name or id already, or one that looks like it."""
        key = name_key(username)
        return user_id in self._named or any(
            name_key(each.username) == key for each in self._named.values()
        )

    def key(self, digest: str) -> ApiKey | None:
        """The key that is recognised by a digest."""
        return self._keys.get(digest)

    def keys_of(self, owner: UserId) -> list[ApiKey]:
        """The keys of a user, oldest first."""
        return [key for key in self._snapshot.keys if key.owner_id == owner]

    def has_key(self, key_id: str) -> bool:
        """Whether a key still counts."""
        return any(key.id == key_id for key in self._snapshot.keys)

    def has_ended(self, session_id: str) -> bool:
        """Whether a session was ended before its time."""
        return session_id in self._snapshot.ended

    def has_other_admin(self) -> bool:
        """Whether the settings name an administrator, so that the database needs none."""
        return any(each.role is Role.ADMIN for each in self._named.values())

    async def refresh(self) -> None:
        """Read everything again."""
        async with self._turn:
            self._take(await self._store.snapshot_for_system())

    async def refresh_if_changed(self) -> None:
        """Read everything again when another process has changed something."""
        if await self._store.number_for_system() != self._snapshot.number:
            await self.refresh()

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._accounts = {account.id: account for account in snapshot.accounts}
        self._keys = {key.digest: key for key in snapshot.keys}
        stored = {
            account.id: _stored(account)
            for account in snapshot.accounts
            if not self.is_taken(account.username, account.id)
        }
        # Whom the settings name stands before whoever of the same name is in the database.
        self._people = stored | self._named
        self._by_name = {each.username: each for each in self._people.values()}


def _named(user: NamedUser, epoch: str) -> Principal:
    return Principal(user.id, user.username, user.role, user.password, epoch, is_named=True)


def _stored(account: Account) -> Principal:
    # An account that was deleted and made again with the same id is another.
    epoch = f"{int(account.created_at.timestamp() * 1000)}.{account.epoch}"
    return Principal(
        account.id,
        account.username,
        account.role,
        account.password,
        epoch,
        is_disabled=account.disabled_at is not None,
    )


def _fingerprint(secret: str, what: NamedUser | str) -> str:
    """Changes with what is set of a user, and tells nothing about it."""
    text = (
        what
        if isinstance(what, str)
        else json.dumps([what.id, what.username, what.password, what.role])
    )
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:24]
