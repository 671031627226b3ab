"""Compaction: the model's view of the past is shortened; the log is not."""

from typing import Any, Literal

from open_agent.events.model.base import EventBase


class HistoryCompacted(EventBase):
    """From here on the model sees `kept` and `summary` in place of everything up to `upto_seq`.

    Recovery reads from the newest of these: `state` is the fold's state at this event, and the
    events after `upto_seq` are still shown to the model verbatim.
    """

    type: Literal["history.compacted"] = "history.compacted"
    upto_seq: int
    kept: list[str]
    """Messages of people that stay verbatim, oldest first."""
    summary: str
    method: Literal["summary", "truncation"]
    bytes_before: int
    bytes_after: int
    state: dict[str, Any]
    """Running totals and counters, as `fold.py` writes and reads them."""
