"""One-time codes: printed at start, good for one login within minutes, and kept nowhere."""

import hashlib
from dataclasses import dataclass

from open_agent.core.clock import Clock
from open_agent.core.ids import UserId, new_code

LIFETIME_SECONDS = 15 * 60
MOST_CODES = 16


@dataclass(frozen=True, slots=True)
class _Issued:
    user_id: UserId
    until: float


class Codes:
    """Issues codes and takes them back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._issued: dict[bytes, _Issued] = {}

    def issue(self, user_id: UserId) -> str:
        """A code with which that user can sign in once."""
        code = new_code()
        self._issued[_digest(code)] = _Issued(user_id, self._clock.monotonic() + LIFETIME_SECONDS)
        while len(self._issued) > MOST_CODES:
            del self._issued[next(iter(self._issued))]
        return code

    def spend(self, code: str) -> UserId | None:
        """Whose code it was; from now on, nobody's."""
        # Looked up by its digest: how far a guess was right does not show in the time it takes.
        found = self._issued.pop(_digest(code.strip()), None)
        if found is None or found.until < self._clock.monotonic():
            return None
        return found.user_id


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()
