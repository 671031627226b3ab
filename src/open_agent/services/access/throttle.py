"""How often somebody may try to sign in.

Three buckets fill with each try and empty with time: one of the name from this address, one of the
name, one of the address. A try that succeeds is taken out again. Whoever has signed in from an
address before is not held up there by what others try with their name elsewhere. Memory is bounded:
the entries that were touched longest ago are forgotten.
"""

import hashlib
import ipaddress
import math
from dataclasses import dataclass

from open_agent.core.clock import Clock
from open_agent.core.errors import LimitReached

MOST_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many tries at once, and one more each so many seconds."""

    tries: int
    seconds: float


OF_NAME_AND_ADDRESS = Rate(5, 12.0)
OF_NAME = Rate(30, 20.0)
OF_ADDRESS = Rate(100, 0.6)


class Buckets:
    """Levels by key, each falling with time."""

    def __init__(self, rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: dict[bytes, tuple[float, float]] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._levels)

    def wait(self, key: bytes) -> float:
        """Seconds until there is room for another try."""
        return max(0.0, (self._level(key) + 1 - self._rate.tries) * self._rate.seconds)

    def add(self, key: bytes, amount: float) -> None:
        """Put tries in, or take them out."""
        level = max(0.0, self._level(key) + amount)
        self._levels.pop(key, None)
        if level > 0:
            self._levels[key] = (level, self._clock.monotonic())
            if len(self._levels) > MOST_ENTRIES:
                del self._levels[next(iter(self._levels))]

    def clear(self, key: bytes) -> None:
        """Empty one."""
        self._levels.pop(key, None)

    def _level(self, key: bytes) -> float:
        level, at = self._levels.get(key, (0.0, 0.0))
        return max(0.0, level - (self._clock.monotonic() - at) / self._rate.seconds)


class Throttle:
    """Says whether another try is allowed."""

    def __init__(self, clock: Clock) -> None:
        self._pairs = Buckets(OF_NAME_AND_ADDRESS, clock)
        self._names = Buckets(OF_NAME, clock)
        self._addresses = Buckets(OF_ADDRESS, clock)
        self._known: dict[bytes, None] = {}

    def enter(self, address: str, name: str) -> None:
        """Count a try before it is made, so that tries at the same time count too.

        Raises:
            LimitReached: There were too many (`login.throttled`).
        """
        pair, of_name, of_address = _keys(address, name)
        waits = [self._pairs.wait(pair), self._addresses.wait(of_address)]
        if pair not in self._known:
            waits.append(self._names.wait(of_name))
        seconds = math.ceil(max(waits))
        if seconds > 0:
            raise LimitReached(
                "login.throttled",
                f"Too many attempts. Try again in {seconds} seconds.",
                {"retry_after_seconds": seconds},
            )
        self._pairs.add(pair, 1)
        self._names.add(of_name, 1)
        self._addresses.add(of_address, 1)

    def succeeded(self, address: str, name: str) -> None:
        """The try that was counted last was no guess."""
        pair, of_name, of_address = _keys(address, name)
        self._pairs.clear(pair)
        self._names.add(of_name, -1)
        self._addresses.add(of_address, -1)
        self._known.pop(pair, None)
        self._known[pair] = None
        if len(self._known) > MOST_ENTRIES:
            del self._known[next(iter(self._known))]

    @property
    def entries(self) -> int:
        """How many are kept."""
        return sum(map(len, (self._pairs, self._names, self._addresses, self._known)))


def _keys(address: str, name: str) -> tuple[bytes, bytes, bytes]:
    """Keys of one length, however long a name somebody sends."""
    network = _network(address)
    return _digest(f"{network}\0{name}"), _digest(name), _digest(network)


def _network(address: str) -> str:
    """What one caller can have many addresses of: a whole /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
