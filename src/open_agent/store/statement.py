"""SQL built once from SQLAlchemy Core and run on the raw driver.

Through SQLAlchemy's engine an append costs twice as much as through the driver, so Core is used
for what it is best at, writing SQL for either dialect, and nothing of it runs on the hot path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.sql import ClauseElement


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with positional parameters.

    Attributes:
        text: What the driver is given.
        names: What stands at each position.
        constants: Values that were part of the expression.
    """

    text: str
    names: tuple[str, ...]
    constants: dict[str, Any]

    def bind(self, **values: Any) -> tuple[Any, ...]:
        """The parameters in the statement's order."""
        known = self.constants | values
        return tuple(known[name] for name in self.names)

    def query(self, **values: Any) -> "Query":
        """The statement with its parameters."""
        return Query(self.text, self.bind(**values))


Compile = Callable[[ClauseElement], Statement]
"""Turns an expression into SQL for one dialect."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement with its parameters, ready for a driver."""

    text: str
    values: tuple[Any, ...]
