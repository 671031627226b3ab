"""Old shapes of events, turned into today's: one old event to exactly one, `seq` kept.

The logs of every release load for ever. When a stored shape changes, `FORMAT` goes up by one and
a function is added here; `tests/golden/` holds a log of every release.
"""

from collections.abc import Callable
from typing import Any

FORMAT = 1
"""The format that this release writes."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: dict[tuple[str, int], Upcaster] = {}
"""By event type and the format it comes from, to the next format."""


def upcast(type_: str, format_: int, fields: dict[str, Any]) -> dict[str, Any]:
    """Bring an event's fields from `format_` to `FORMAT`."""
    for step in range(format_, FORMAT):
        upcaster = UPCASTERS.get((type_, step))
        fields = upcaster(fields) if upcaster else fields
    return fields
