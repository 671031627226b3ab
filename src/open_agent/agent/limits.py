"""The rules a run is held to: how often, how long, how much, before what happens.

Values only. `moves.py` decides with them; the run's own limits are on the log.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


class Prices(Protocol):
    """What model calls may cost."""

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        """Micro-dollars that a call cannot exceed; none when the model's price is unknown."""
        ...


class Windows(Protocol):
    """What models can take and give."""

    def context_tokens(self, model: str) -> int:
        """The model's context window in tokens."""
        ...

    def output_tokens(self, model: str) -> int:
        """The most tokens one reply may have."""
        ...


@dataclass(frozen=True, slots=True)
class Excess:
    """A workspace that is larger than it may be."""

    size_bytes: int
    limit_bytes: int
    measured_at: datetime


class Disk(Protocol):
    """What workspaces take on the disk, as it was measured last."""

    def excess(self, root: str) -> Excess | None:
        """By how much the workspace at a path is too large; nothing when it is not."""
        ...


class EndlessDisk:
    """A disk without bounds."""

    def excess(self, root: str) -> Excess | None:
        """Never."""
        del root
        return None


@dataclass(frozen=True, slots=True)
class Rules:
    """How a run is carried out; the same for all runs of a server."""

    prices: Prices
    windows: Windows
    disk: Disk = field(default_factory=EndlessDisk)

    tries: int = 4
    """Of one step on one model, before the fallback model or a park."""
    parks: int = 6
    """Of one step, before the run fails because its provider cannot be used."""
    park_for: timedelta = timedelta(minutes=5)
    min_output_tokens: int = 512
    """A call that can afford fewer is not made: the budget is spent."""
    repeats_told: int = 3
    repeats_ended: int = 5
    empty_told: int = 1
    empty_ended: int = 3
    cut_ended: int = 3
    """Replies in a row that ended at the length limit without a call."""
    tool_failures_told: int = 4
    tool_failures_ended: int = 8
    compact_at: float = 0.75
    """Share of the context window, less the reply's room, at which the history is compacted."""
    keep_share: float = 0.25
    """Share of that room which the newest steps keep verbatim."""
    compactions_per_step: int = 2
    answer_for: timedelta = timedelta(hours=1)
    """How long a person has to answer before the default is taken."""
    bytes_per_token: float = 3.5
    """Assumed until the provider has counted a request of this run."""
