"""Session tokens: JWTs, signed with HS256 and nothing else.

Ours carry who issued them, for whom, an id and the user's epoch, so that one or all of a user's
can be ended. They are signed with a key derived from the secret, so that a short secret is not the
key itself. Tokens of the original have none of that and are signed with the secret as it is; they
are read only when the operator says so.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from open_agent.core.clock import Clock
from open_agent.core.ids import UserId, new_uuid

ISSUER = "open-agent"
AUDIENCE = "open-agent-api"
ALGORITHM = "HS256"
EPOCH = "epoch"
LONGEST = 4096
MOST_KNOWN = 1024
"""Tokens that were looked at already: reading one takes 140 µs, knowing it 5."""
LEEWAY_SECONDS = 60
"""By how much the clock of another server that signs with the same secret may be ahead."""

_OURS = ("sub", "usr", "iat", "exp", "jti", "iss", "aud", EPOCH)
_LEGACY = ("sub", "iat", "exp")
_NOT_LEGACY = frozenset({"jti", "iss", "aud", EPOCH})
_LATEST = 253_402_300_799
"""The last second of the year 9999."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, if it is genuine and its time is not over.

    Attributes:
        epoch: The user's when it was issued; none of a token of the original.
    """

    id: str
    user_id: UserId
    epoch: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token for a client, and when it ends."""

    token: str
    id: str
    expires_at: datetime

    @property
    def exp(self) -> int:
        """Its end in seconds since 1970."""
        return int(self.expires_at.timestamp())


class Tokens:
    """Issues tokens and reads them.

    Args:
        secret: What the operator has set, or the installation's own.
        clock: Tells the time.
        lifetime: How long a token is good.
        accepts_legacy: Tokens of the original are read too.
    """

    def __init__(
        self, secret: str, clock: Clock, *, lifetime: timedelta, accepts_legacy: bool = False
    ) -> None:
        self._key = hmac.digest(secret.encode(), b"open-agent session tokens", "sha256")
        # HMAC fills a short key up with zeros anyway; PyJWT would warn at every request.
        self._legacy_key = secret.encode().ljust(32, b"\0")
        self._clock = clock
        self._lifetime = lifetime
        self._accepts_legacy = accepts_legacy
        self._known: dict[bytes, Claims] = {}

    def issue(self, user_id: UserId, username: str, epoch: str) -> IssuedToken:
        """A token for a user who has shown who they are."""
        now = self._clock.now().replace(microsecond=0)
        expires_at, id_ = now + self._lifetime, new_uuid()
        claims = {
            "sub": user_id,
            "usr": username,
            "iat": int(now.timestamp()),
            "exp": int(expires_at.timestamp()),
            "jti": id_,
            "iss": ISSUER,
            "aud": AUDIENCE,
            EPOCH: epoch,
        }
        return IssuedToken(_jwt().encode(claims, self._key, ALGORITHM), id_, expires_at)

    def read(self, token: str) -> Claims | None:
        """What a token says; nothing when it is not to be believed."""
        if len(token) > LONGEST or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None:
            return known if known.expires_at > self._clock.now() else None
        read = self._read(token)
        if read is not None:
            if len(self._known) >= MOST_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[digest] = read
        return read

    def _read(self, token: str) -> Claims | None:
        claims = self._decode(token, self._key, _OURS)
        if claims is not None:
            return self._claims(claims, claims["jti"], claims[EPOCH])
        if not self._accepts_legacy:
            return None
        claims = self._decode(token, self._legacy_key, _LEGACY)
        if claims is None or not _NOT_LEGACY.isdisjoint(claims):
            return None
        return self._claims(claims, hashlib.sha256(token.encode()).hexdigest(), None)

    def _decode(self, token: str, key: bytes, required: tuple[str, ...]) -> dict[str, Any] | None:
        """The claims of a token that was signed with `key`, times not looked at yet."""
        is_ours = required is _OURS
        options: Any = {
            "require": list(required),
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": is_ours,
            "verify_iss": is_ours,
        }
        checks: Any = {"audience": AUDIENCE, "issuer": ISSUER} if is_ours else {}
        jwt = _jwt()
        try:
            found = jwt.decode_complete(
                token, key, algorithms=[ALGORITHM], options=options, **checks
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        # Nothing else in the header is understood here, so nothing else may be there.
        if not found["header"].keys() <= {"alg", "typ"}:
            return None
        return found["payload"]

    def _claims(self, claims: dict[str, Any], id_: object, epoch: object) -> Claims | None:
        now = self._clock.now().timestamp()
        times = [claims["iat"], claims["exp"], claims.get("nbf", 0)]
        if not all(type(each) is int and 0 <= each <= _LATEST for each in times):
            return None
        issued, expires, begins = cast("list[int]", times)
        if expires <= now or issued > now + LEEWAY_SECONDS or begins > now:
            return None
        texts = (claims["sub"], id_, epoch if epoch is not None else "")
        if not all(isinstance(each, str) for each in texts):
            return None
        return Claims(
            cast("str", id_),
            UserId(claims["sub"]),
            cast("str | None", epoch),
            datetime.fromtimestamp(expires, UTC),
        )


def _jwt() -> Any:
    """The library, whose types say less than a strict checker wants.

    Imported with the first token: most of its 9 MB is `cryptography`, of which HS256 needs nothing.
    """
    import jwt  # 30 ms

    return jwt
