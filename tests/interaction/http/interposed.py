"""A log at which a test lets something else happen between a service and one of its calls."""

from collections.abc import Awaitable, Callable
from typing import Any

from open_agent.events.log import EventLog

Between = Callable[..., Awaitable[Any]]


class InterposedLog:
    """An `EventLog` that hands calls of chosen methods to a test, which makes them itself."""

    def __init__(self, log: EventLog) -> None:
        self.real = log
        self._between: dict[str, Between] = {}

    def put(self, method: str, between: Between) -> None:
        """Call `between` in place of a method, with its arguments, until it is taken away."""
        self._between[method] = between

    def take_away(self, method: str) -> None:
        """Let calls of the method through again."""
        del self._between[method]

    def __getattr__(self, method: str) -> Any:
        """The method, or what stands in between."""
        return self._between.get(method) or getattr(self.real, method)
