"""What a provider says a call used and cost."""

from typing import Any

from open_agent.core.money import from_dollars
from open_agent.core.run import Usage
from open_agent.models.wire import Json, as_count, as_object

_MAX_DOLLARS = 1_000_000
"""No call costs that; a larger number is a mistake that must not end up on somebody's budget."""


def read_usage(usage: Json) -> Usage:
    """Tokens by class, from any of the dialects in use."""
    given = as_object(usage.get("prompt_tokens_details"))
    made = as_object(usage.get("completion_tokens_details"))
    cached = (
        as_count(given.get("cached_tokens"))
        or as_count(usage.get("prompt_cache_hit_tokens"))
        or as_count(usage.get("cache_read_input_tokens"))
    )
    written = as_count(given.get("cache_write_tokens")) or as_count(
        usage.get("cache_creation_input_tokens")
    )
    return Usage(
        input_tokens=as_count(usage.get("prompt_tokens")) or as_count(usage.get("input_tokens")),
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=as_count(usage.get("completion_tokens"))
        or as_count(usage.get("output_tokens")),
        reasoning_tokens=as_count(made.get("reasoning_tokens")),
    )


def read_cost(usage: Json) -> int | None:
    """Micro-dollars, rounded up; nothing when the provider did not say.

    Under a key of one's own the router charges its fee alone, and the model's provider the rest.
    """
    cost = _dollars(usage.get("cost"))
    if cost is None:
        return None
    if usage.get("is_byok") is True:
        upstream = as_object(usage.get("cost_details")).get("upstream_inference_cost")
        cost += _dollars(upstream) or 0.0
    return from_dollars(repr(cost))


def _dollars(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MAX_DOLLARS else None
