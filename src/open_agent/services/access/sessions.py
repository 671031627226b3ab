"""Signing in and out."""

from dataclasses import dataclass

from open_agent.core.actor import Actor, Credential, CredentialKind, Scope
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, Unauthenticated
from open_agent.core.ids import DEFAULT_OWNER, UserId
from open_agent.services.access.audit import Audit
from open_agent.services.access.codes import Codes
from open_agent.services.access.directory import Directory, Principal
from open_agent.services.access.gate import Access, require_scope
from open_agent.services.access.passwords import Passwords
from open_agent.services.access.rules import Mode
from open_agent.services.access.throttle import Throttle
from open_agent.services.access.tokens import IssuedToken, Tokens
from open_agent.store.accounts import Accounts

NAMELESS = "Username required"
WRONG_PAIR = "Invalid username or password"
WRONG_PASSWORD = "Invalid password"  # noqa: S105 - what is said of a wrong one
SPENT_LINK = (
    "This link was used already, or is too old. `open-agent link` prints a new one on the server."
)


@dataclass(frozen=True, slots=True)
class Link:
    """A way in for a browser, once.

    Attributes:
        path: Where to go, on this server.
        code: The same as a password for the login page.
    """

    path: str
    code: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is kept while somebody can sign in: who there is, and how often it was tried."""

    passwords: Passwords
    throttle: Throttle
    codes: Codes


class Sessions:
    """Begins sessions and ends them."""

    def __init__(
        self,
        access: Access,
        directory: Directory,
        tokens: Tokens,
        sign_in: SignIn,
        ending: tuple[Accounts, Audit, Clock],
    ) -> None:
        self._access = access
        self._directory = directory
        self._tokens = tokens
        self._sign_in = sign_in
        self._store, self._audit, self._clock = ending

    @property
    def mode(self) -> Mode:
        """Who can call."""
        return self._directory.mode

    async def begin(self, username: str | None, password: str, *, address: str) -> IssuedToken:
        """A session for somebody who knows a name and its password, or a code in local mode.

        Raises:
            Unauthenticated: They do not (`login.failed`), and do not learn which was wrong.
            LimitReached: It was tried too often (`login.throttled`), or too many try at once.
        """
        if self.mode is Mode.MULTI_USER:
            name = (username or "").strip()
            if not name:
                raise Unauthenticated("login.failed", NAMELESS)
            principal = self._directory.named(name)
        else:
            name, principal = "", self._directory.principal(DEFAULT_OWNER)
        self._sign_in.throttle.enter(address, name)
        if not await self._is_right(principal, password):
            # A name that nobody has may be a password that was typed in the wrong field.
            target = principal.user_id if principal else ""
            await self._audit.record_stranger(address, "login.failed", target)
            raise Unauthenticated("login.failed", WRONG_PAIR if name else WRONG_PASSWORD)
        assert principal is not None
        self._sign_in.throttle.succeeded(address, name)
        return await self._issue(principal, address, "password")

    async def follow(self, code: str, *, address: str) -> IssuedToken:
        """A session for whoever has followed a one-time link.

        Raises:
            Unauthenticated: It was used or is too old (`link.spent`).
            LimitReached: It was tried too often (`login.throttled`).
        """
        self._sign_in.throttle.enter(address, "")
        user_id = self._sign_in.codes.spend(code)
        principal = None if user_id is None else self._directory.principal(user_id)
        if principal is None or principal.is_disabled:
            raise Unauthenticated("link.spent", SPENT_LINK)
        self._sign_in.throttle.succeeded(address, "")
        return await self._issue(principal, address, "link")

    def first_link(self) -> Link | None:
        """What to print at start, where a browser has no other way in."""
        return self._link(DEFAULT_OWNER) if self.mode is Mode.LOCAL else None

    async def link(self, actor: Actor) -> Link:
        """A link that lets a browser in as the actor, once.

        Raises:
            Refused: The credential is not good for it.
            Conflict: The actor is nobody who could sign in (`link.no_account`).
        """
        require_scope(actor, Scope.ADMIN)
        if self._directory.principal(actor.user_id) is None:
            raise Conflict(
                "link.no_account",
                "The owner of the data directory has no account here. Log in with a name and a "
                "password, or let an administrator adopt it: `open-agent user add --admin --adopt`.",
            )
        await self._audit.record(actor, "link.issued", actor.user_id)
        return self._link(actor.user_id)

    async def end(self, actor: Actor) -> None:
        """End the session that the actor calls with; other credentials have no end of their own."""
        credential = actor.credential
        if credential is None or credential.kind is not CredentialKind.SESSION:
            return
        assert credential.expires_at is not None
        await self._store.end_session_for_system(
            credential.id, credential.expires_at, self._clock.now()
        )
        await self._audit.record(actor, "login.ended", credential.id)
        await self._access.changed()

    async def _is_right(self, principal: Principal | None, password: str) -> bool:
        if self.mode is Mode.LOCAL:
            return self._sign_in.codes.spend(password) == DEFAULT_OWNER
        kept = principal.password if principal else None
        is_right = await self._sign_in.passwords.is_right(password, kept)
        return is_right and principal is not None and not principal.is_disabled

    async def _issue(self, principal: Principal, address: str, how: str) -> IssuedToken:
        issued = self._tokens.issue(principal.user_id, principal.username, principal.epoch)
        credential = Credential(
            CredentialKind.SESSION, issued.id, principal.user_id, principal.epoch
        )
        actor = Actor(
            principal.user_id, username=principal.username, credential=credential, address=address
        )
        await self._audit.record(actor, "login.succeeded", issued.id, {"by": how})
        return issued

    def _link(self, user_id: UserId) -> Link:
        code = self._sign_in.codes.issue(user_id)
        return Link(f"/link?code={code}", code)
