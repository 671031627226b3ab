"""Live output of a call as the progress that its client follows."""

from collections.abc import Awaitable
from typing import Protocol, Self

import anyio
from anyio.abc import TaskGroup

INTERVAL = 0.25
"""Seconds between two reports at least."""
SHOWN = 4_000
"""Characters of one report: the newest."""


class Report(Protocol):
    """Tells the client; does nothing if it has not asked."""

    def __call__(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> Awaitable[None]:
        """Return when the client can take more."""
        ...


class Progress:
    """Reports what is emitted while its context lasts; what is left at the end is in the result.

    A client that takes reports slowly gets fewer: nothing waits for it, and nothing is kept but
    the newest text.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._text = ""
        self._has_more = anyio.Event()
        self._group: TaskGroup | None = None

    def emit(self, text: str) -> None:
        """Take live output; never blocks, never fails."""
        self._text = (self._text + text)[-SHOWN:]
        self._has_more.set()

    async def __aenter__(self) -> Self:
        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self._run)
        return self

    async def __aexit__(self, *exc_info: object) -> bool | None:
        assert self._group is not None
        self._group.cancel_scope.cancel()
        return await self._group.__aexit__(*exc_info)  # pyright: ignore[reportArgumentType]

    async def _run(self) -> None:
        count = 0
        while True:
            await self._has_more.wait()
            self._has_more = anyio.Event()
            text, self._text = self._text, ""
            count += 1
            await self._report(count, None, text)
            await anyio.sleep(INTERVAL)
