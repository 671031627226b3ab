"""Passwords, hashed with argon2id off the event loop, a few at a time.

Every check does the work of one hash, whether there is such a user or not and however the password
is kept, so that the time it takes tells nothing. A hash takes 46 MB while it is made: two at once
bound what logins can take.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

import anyio
from anyio import to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from open_agent.core.errors import Invalid, LimitReached
from open_agent.core.ids import new_token

AT_ONCE = 2
MOST_WAITING = 32
SHORTEST = 8
LONGEST = 1024
_BUSY_SECONDS = 5

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


def argon2() -> PasswordHash:
    """OWASP's parameters for argon2id with 46 MB: 60 ms on the machine they were chosen on."""
    return PasswordHash((Argon2Hasher(time_cost=1, memory_cost=47104, parallelism=1),))


def is_hash(text: str) -> bool:
    """Whether a kept password is a hash."""
    return Argon2Hasher.identify(text)


def trimmed(password: str) -> str:
    """A password as it counts, everywhere: without the space around it."""
    return password.strip()


def checked(password: str) -> str:
    """A new password, trimmed.

    Raises:
        Invalid: It is too short or too long (`password.unfit`).
    """
    password = trimmed(password)
    if not SHORTEST <= len(password) <= LONGEST or not _is_text(password):
        raise Invalid(
            "password.unfit",
            f"A password has {SHORTEST} to {LONGEST:,} characters, not counting space around it.",
        )
    return password


class Passwords:
    """Makes and checks hashes.

    Args:
        hasher: How; tests take a cheaper one.
    """

    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or argon2()
        self._limiter = anyio.CapacityLimiter(AT_ONCE)
        self._waiting = 0
        self._decoy = ""

    async def hash(self, password: str) -> str:
        """What to keep of a new password.

        Raises:
            Invalid: It is unfit (`password.unfit`).
            LimitReached: Too many wait already (`login.busy`).
        """
        return await self._run(self._hasher.hash, checked(password))

    async def is_right(self, password: str, kept: str | None) -> bool:
        """Whether a password is the one that is kept; none is kept of an unknown user.

        Raises:
            LimitReached: Too many wait already (`login.busy`).
        """
        return await self._run(self._check, trimmed(password), kept)

    async def _run(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        if self._waiting >= MOST_WAITING:
            raise LimitReached(
                "login.busy",
                "Too many logins at once. Try again in a moment.",
                {"retry_after_seconds": _BUSY_SECONDS},
            )
        self._waiting += 1
        try:
            return await to_thread.run_sync(work, *arguments, limiter=self._limiter)
        finally:
            self._waiting -= 1

    def _check(self, password: str, kept: str | None) -> bool:
        is_fit = len(password) <= LONGEST and _is_text(password)
        tried = password if is_fit else ""
        if kept is not None and is_hash(kept):
            return self._hasher.verify(tried, kept) and is_fit
        # A race makes two decoys, of which one is kept: nothing depends on which.
        self._decoy = self._decoy or self._hasher.hash(new_token())
        self._hasher.verify(tried, self._decoy)
        expected = trimmed(kept or "")
        return is_fit and expected != "" and hmac.compare_digest(_digest(tried), _digest(expected))


def _is_text(password: str) -> bool:
    """Whether it can be encoded: a lone surrogate cannot."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _digest(password: str) -> bytes:
    return hashlib.sha256(password.encode()).digest()
