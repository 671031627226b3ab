"""One carrying-out of a task: its limits, how it can end, what it used."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"


class RunState(StrEnum):
    """Where a mission's newest run is, while and after it lives."""

    IDLE = "idle"
    """The mission has no run and nothing waits to start one."""
    QUEUED = "queued"
    """A message waits for a worker."""
    RUNNING = "running"
    WAITING = "waiting"
    """Parked until a time or an answer."""
    FINISHED = "finished"


class Limits(BaseModel):
    """What one run may use before it ends as `exhausted`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=50, ge=1)
    """Model calls with their tool calls."""
    wall_seconds: int = Field(default=6 * 3600, ge=1)
    """Time since the run started, parked time included."""
    budget_microdollars: int = Field(default=10_000_000, ge=0)
    """Money for the run and its children; 0 means no budget."""


class Usage(BaseModel):
    """Tokens of one model call, or of many added up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_tokens: int = 0
    """All input tokens, the cached ones included."""
    cached_tokens: int = 0
    """Input tokens that the provider read from its cache."""
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """All output tokens, reasoning included."""
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )
