"""Personal API keys: made by their users, shown once, good for less than a login if so wished."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from open_agent.core.account import ApiKey
from open_agent.core.actor import Actor, Scope
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, Invalid, LimitReached, NotFound
from open_agent.core.ids import new_token, new_uuid
from open_agent.services.access.audit import Audit
from open_agent.services.access.directory import Directory
from open_agent.services.access.gate import KEY_PREFIX, Access, key_digest, require_scope
from open_agent.store.accounts import Accounts

LONGEST_NAME = 100
MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, with the secret that is shown once."""

    key: ApiKey
    secret: str = field(repr=False)


class Keys:
    """Makes, lists and revokes keys."""

    def __init__(
        self, access: Access, directory: Directory, store: Accounts, audit: Audit, clock: Clock
    ) -> None:
        self._access = access
        self._directory = directory
        self._store = store
        self._audit = audit
        self._clock = clock

    async def make(
        self, actor: Actor, name: str, scope: Scope, *, lifetime: timedelta | None
    ) -> MadeKey:
        """A new key of the actor's; without a lifetime it is good until it is revoked.

        Raises:
            Refused: The credential is not good for it (`token.scope_missing`).
            Invalid: The name is unfit (`key.unfit`).
            LimitReached: The actor has too many keys (`key.too_many`).
            Conflict: The actor is nobody who could sign in (`key.no_account`).
        """
        require_scope(actor, Scope.ADMIN)
        name = name.strip()
        if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
            raise Invalid(
                "key.unfit", f"A key's name has 1 to {LONGEST_NAME} characters that can be seen."
            )
        if self._directory.principal(actor.user_id) is None:
            raise Conflict(
                "key.no_account",
                "The owner of the data directory has no account here; keys belong to users.",
            )
        if len(self._directory.keys_of(actor.user_id)) >= MOST_KEYS:
            raise LimitReached(
                "key.too_many", f"You have {MOST_KEYS} keys. Revoke some that you do not need."
            )
        secret = KEY_PREFIX + new_token()
        now = self._clock.now()
        key = ApiKey(
            id=new_uuid(),
            owner_id=actor.user_id,
            name=name,
            scope=scope,
            digest=key_digest(secret),
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
        )
        await self._store.add_key(key, owner=actor.user_id)
        await self._audit.record(actor, "key.made", key.id, {"name": name, "scope": scope.value})
        await self._access.changed()
        return MadeKey(key, secret)

    async def all(self, actor: Actor) -> list[ApiKey]:
        """The actor's keys, oldest first.

        Raises:
            Refused: The credential is not good for it (`token.scope_missing`).
        """
        require_scope(actor, Scope.ADMIN)
        return [self._current(key) for key in self._directory.keys_of(actor.user_id)]

    async def revoke(self, actor: Actor, key_id: str) -> None:
        """Let a key be good for nothing any more; what is open under it ends.

        Raises:
            Refused: The credential is not good for it (`token.scope_missing`).
            NotFound: The actor has no such key (`key.not_found`).
        """
        require_scope(actor, Scope.ADMIN)
        is_theirs = any(key.id == key_id for key in self._directory.keys_of(actor.user_id))
        if not is_theirs or not await self._store.delete_key(key_id, owner=actor.user_id):
            raise NotFound("key.not_found", f"Key {key_id} not found.")
        await self._audit.record(actor, "key.revoked", key_id)
        await self._access.changed()

    def _current(self, key: ApiKey) -> ApiKey:
        used = self._access.last_use(key.id)
        return key if used is None else replace(key, last_used_at=used)
