"""Numbers, times and amounts as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from open_agent.core.money import show_dollars

if TYPE_CHECKING:  # 40 ms for the models of events, which `config` does not need
    from collections.abc import Iterable
    from datetime import datetime

    from open_agent.core.run import Usage
    from open_agent.events.model.model_call import CostSource

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def duration(seconds: float) -> str:
    """A span of time: `3 ms`, `2.3 s`, `8 s`, `1 m 04 s`, `2 h 03 m`, `5 d`."""
    if seconds < 1:
        return f"{max(0, seconds) * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} m {whole % MINUTE:02d} s"
    if whole < 2 * DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} m"
    return f"{whole // DAY} d"


def age(then: datetime, now: datetime) -> str:
    """How long ago, in one unit: `now`, `5 m`, `3 h`, `12 d`."""
    seconds = (now - then).total_seconds()
    for unit, size in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def count(number: int, word: str) -> str:
    """`1 step`, `2 steps`, `1,200 lines`."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def amount(number: int) -> str:
    """Tokens: `950`, `12.3k`, `1.2M`."""
    if number < 1000:
        return str(number)
    if number < 1_000_000:
        return f"{number / 1000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def size(number: int) -> str:
    """Bytes: `950 bytes`, `12 KB`, `1.2 MB`, `3.4 GB`."""
    if number < 1000:
        return count(number, "byte")
    if number < 1_000_000:
        return f"{number / 1000:.0f} KB"
    if number < 1_000_000_000:
        return f"{number / 1_000_000:.1f} MB"
    return f"{number / 1_000_000_000:.1f} GB"


def tokens(usage: Usage) -> str:
    """What went into the model and what came out."""
    cached = f" ({amount(usage.cached_tokens)} cached)" if usage.cached_tokens else ""
    return f"{amount(usage.input_tokens)} tokens in{cached}, {amount(usage.output_tokens)} out"


def cost(microdollars: int, sources: Iterable[CostSource] = ()) -> str:
    """An amount of money, honest about calls whose cost nobody knows."""
    known = set(sources)
    if "unknown" in known:
        return f"at least {show_dollars(microdollars)}" if microdollars else "cost unknown"
    return show_dollars(microdollars) if microdollars else "free"
