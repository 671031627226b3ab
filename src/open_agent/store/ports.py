"""What a database must offer for the log, the lists and the leases to work on it."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from open_agent.events.log import Appended, Opened
from open_agent.store.requests import (
    AppendRequest,
    DeleteRequest,
    ExternalRequest,
    OpenRequest,
)
from open_agent.store.rows import Row
from open_agent.store.statement import Query, Statement

T = TypeVar("T")


class Reader(Protocol):
    """Runs statements that only read. Each sees everything committed before it began."""

    async def fetch(
        self, statement: Statement, into: Callable[[Row], T], **values: object
    ) -> list[T]:
        """The rows of `statement`, each turned `into` a value."""
        ...


class Writer(Protocol):
    """Carries out appends, many in one commit. Durable when it returns."""

    async def append(self, request: AppendRequest | ExternalRequest) -> Appended:
        """Carry out an append."""
        ...

    async def delete(self, request: DeleteRequest) -> Appended:
        """Remove missions."""
        ...

    async def open(self, request: OpenRequest) -> Opened:
        """Create a mission."""
        ...


class Changer(Protocol):
    """Changes rows that do not follow from the log. Durable when it returns."""

    async def change(self, steps: Sequence[Query]) -> list[list[Row]]:
        """Carry out statements in one transaction; what each returned, if anything."""
        ...
