"""The wall clock, in one place so that tests and folds can be given another.

Times are aware `datetime`s in UTC. A clock orders nothing: order is `seq`.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """The current time in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring durations within this process."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, for measuring durations within this process."""
        return time.monotonic()
