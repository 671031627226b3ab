"""Turns what callers present into actors, and says when that is over.

How it is presented is the server's business.
"""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

import anyio
import structlog

from open_agent.core.account import Role
from open_agent.core.actor import (
    ALL_SCOPES,
    Actor,
    Credential,
    CredentialKind,
    Scope,
    scopes_within,
)
from open_agent.core.clock import Clock
from open_agent.core.errors import OpenAgentError, Refused, Unauthenticated
from open_agent.core.ids import DEFAULT_OWNER
from open_agent.services.access.directory import Directory, Principal
from open_agent.services.access.rules import Mode
from open_agent.services.access.tokens import Tokens
from open_agent.services.access.watching import Watchers
from open_agent.store.accounts import Accounts

log = structlog.get_logger(__name__)

KEY_PREFIX = "oa_"
LOOK_SECONDS = 2.0
"""How often it is looked whether a credential has ended; 5 s are promised."""
NOTE_SECONDS = 60.0
"""How exactly the last use of a key is kept."""

MISSING = "Missing Authorization header"
INVALID = "Invalid or expired token"
NO_USER = "Invalid user"


class Access:
    """Recognises callers.

    Args:
        directory: Who there is.
        tokens: Reads session tokens.
        store: Where the last use of keys is noted.
        clock: Tells the time.
    """

    def __init__(self, directory: Directory, tokens: Tokens, store: Accounts, clock: Clock) -> None:
        self._directory = directory
        self._tokens = tokens
        self._store = store
        self._clock = clock
        self._owner_digest = _digest(directory.rules.owner_token.encode())
        self._watchers = Watchers(self._is_live)
        self._used: dict[str, datetime] = {}

    @property
    def mode(self) -> Mode:
        """Who can call."""
        return self._directory.mode

    def authenticate(self, token: bytes | None, *, is_local: bool = False) -> Actor:
        """The actor behind a request.

        Args:
            token: What was presented, if anything was.
            is_local: The request surely comes from a program on this machine that no web page of
                another site made it send.

        Raises:
            Unauthenticated: There is no token, or not a right one.
        """
        if self.mode is Mode.DISABLED and is_local:
            return _owner(CredentialKind.OPEN)
        if token is None:
            raise self._missing()
        if hmac.compare_digest(_digest(token), self._owner_digest):
            return _owner(CredentialKind.OWNER)
        text = token.decode("latin-1")
        return self._by_key(text) if text.startswith(KEY_PREFIX) else self._by_session(text)

    def of_own_account(self) -> Actor:
        """A program that runs under the server's own account: the owner, but no administrator.

        Raises:
            Unauthenticated: That is not enough in this mode.
        """
        if self.mode is not Mode.LOCAL:
            raise self._missing()
        credential = Credential(CredentialKind.PEER, "", DEFAULT_OWNER)
        return Actor(DEFAULT_OWNER, scopes=scopes_within(Scope.WRITE), credential=credential)

    def watch(
        self, credential: Credential, on_end: Callable[[], None]
    ) -> AbstractContextManager[None]:
        """Call `on_end` when the credential ends within the context."""
        return self._watchers.watch(credential, on_end)

    async def changed(self) -> None:
        """Take in a change of our own, and end what it ends."""
        await self._directory.refresh()
        self._watchers.sweep()

    async def keep_watch(self) -> None:
        """Take in what other processes and time have changed, and end what that ends, for ever."""
        noted = self._clock.monotonic()
        while True:
            await anyio.sleep(LOOK_SECONDS)
            try:
                await self._directory.refresh_if_changed()
                if self._clock.monotonic() - noted >= NOTE_SECONDS:
                    noted = self._clock.monotonic()
                    await self.note_uses()
            except OpenAgentError as error:
                # A database that cannot be asked now: what is known goes on to count.
                log.warning("access.unread", problem=error.message)
            except Exception:  # boundary: looking goes on, whatever one look has come to
                log.exception("access.unread")
            self._watchers.sweep()

    async def note_uses(self) -> None:
        """Write down when keys were used last."""
        used, self._used = self._used, {}
        if used:
            await self._store.use_keys_for_system(used)

    def last_use(self, key_id: str) -> datetime | None:
        """A use that is not written down yet."""
        return self._used.get(key_id)

    def _by_key(self, text: str) -> Actor:
        key = self._directory.key(key_digest(text))
        if key is None or (key.expires_at is not None and key.expires_at <= self._clock.now()):
            raise self._invalid()
        principal = self._live(self._directory.principal(key.owner_id))
        self._used[key.id] = self._clock.now()
        credential = Credential(
            CredentialKind.KEY, key.id, principal.user_id, principal.epoch, key.expires_at
        )
        return _actor(principal, credential, scopes_within(key.scope))

    def _by_session(self, text: str) -> Actor:
        claims = self._tokens.read(text)
        if claims is None or self._directory.has_ended(claims.id):
            raise self._invalid()
        principal = self._live(self._directory.principal(claims.user_id))
        # A token of the original has no epoch; the accounts of the database are not its users.
        is_legacy = claims.epoch is None and principal.user_id not in self._directory.accounts
        if claims.epoch != principal.epoch and not is_legacy:
            raise self._invalid()
        epoch = principal.epoch
        credential = Credential(
            CredentialKind.SESSION, claims.id, principal.user_id, epoch, claims.expires_at
        )
        return _actor(principal, credential, ALL_SCOPES)

    def _is_live(self, credential: Credential) -> bool:
        """Whether a request that was let in with this would be let in now."""
        if credential.expires_at is not None and credential.expires_at <= self._clock.now():
            return False
        match credential.kind:
            case CredentialKind.OWNER:
                return True
            case CredentialKind.OPEN:
                return self.mode is Mode.DISABLED
            case CredentialKind.PEER:
                return self.mode is Mode.LOCAL
            case CredentialKind.SESSION if self._directory.has_ended(credential.id):
                return False
            case CredentialKind.KEY if not self._directory.has_key(credential.id):
                return False
            case _:
                principal = self._directory.principal(credential.user_id)
                return (
                    principal is not None
                    and not principal.is_disabled
                    and principal.epoch == credential.epoch
                )

    def _live(self, principal: Principal | None) -> Principal:
        if principal is None or principal.is_disabled:
            raise Unauthenticated("auth.user_invalid", f"{NO_USER}. {self._advice}")
        return principal

    def _missing(self) -> Unauthenticated:
        return Unauthenticated("auth.missing", f"{MISSING}. {self._advice}")

    def _invalid(self) -> Unauthenticated:
        return Unauthenticated("auth.invalid", f"{INVALID}. {self._advice}")

    @property
    def _advice(self) -> str:
        match self.mode:
            case Mode.LOCAL | Mode.DISABLED:
                return (
                    "Send `Authorization: Bearer <token>` with the token from the file `token` in "
                    "the server's data directory; for a browser, `open-agent link` prints a link."
                )
            case _:
                return (
                    "Log in with `POST /api/auth/login`, and send `Authorization: Bearer <token>`."
                )


def require_admin(actor: Actor) -> None:
    """Go on only for an administrator.

    Raises:
        Refused: They are none, or not with this credential (`auth.admin_required`).
    """
    require_scope(actor, Scope.ADMIN)
    if not actor.is_admin:
        raise Refused("auth.admin_required", "Only administrators may do this.")


def require_scope(actor: Actor, scope: Scope) -> None:
    """Go on only if the credential is good for this.

    Raises:
        Refused: It is not (`token.scope_missing`).
    """
    if scope not in actor.scopes:
        kind = actor.credential.kind if actor.credential else None
        how = (
            "This needs the token: send `Authorization: Bearer <token>` with the one from the file "
            "`token` in the server's data directory."
            if kind is CredentialKind.PEER
            else f"This key is not good for that; it needs the scope `{scope}`."
        )
        raise Refused("token.scope_missing", how, {"scope": scope})


def key_digest(key: str) -> str:
    """What a key is recognised by; with 256 random bits it needs no slow hash."""
    return _digest(key.encode("utf-8", "surrogatepass")).hex()


def _owner(kind: CredentialKind) -> Actor:
    return Actor(DEFAULT_OWNER, is_admin=True, credential=Credential(kind, "", DEFAULT_OWNER))


def _actor(principal: Principal, credential: Credential, scopes: frozenset[Scope]) -> Actor:
    is_admin = principal.role is Role.ADMIN and Scope.ADMIN in scopes
    return Actor(principal.user_id, is_admin, principal.username, scopes, credential)


def _digest(token: bytes) -> bytes:
    """Of one length whatever was presented, so that comparing takes the same time."""
    return hashlib.sha256(token).digest()
