"""What the command line needs from the composition root, which it cannot import itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # 140 ms that `--help` does not need
    from open_agent.settings.settings import Settings


OnReady = Callable[[str, "str | None", "Sequence[str]"], None]


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that runs inside this process."""

    url: str
    """Where it answers, without a slash at the end."""
    token: str


class ServerBuilder(Protocol):
    """Makes servers. Getting one may import everything, so commands ask late."""

    def serve(
        self,
        settings: Settings,
        *,
        on_ready: OnReady,
        on_stopping: Callable[[], None],
        on_cut: Callable[[], None],
    ) -> int:
        """Serve until a signal ends it in good order; returns the exit code.

        Args:
            settings: What is in force.
            on_ready: Called with the server's address once it answers, with a link that lets one
                browser in, where nothing else would, and with what its operator should know.
            on_stopping: Called when the first signal has come, before the work in hand is ended.
            on_cut: Called when a second one cuts the work off, or when ending takes too long. The
                process ends as soon as it returns, with 128 and the number of the signal.

        Raises:
            OpenAgentError: It cannot start.
        """
        ...

    def in_process(
        self, settings: Settings, *, is_working: bool = True
    ) -> AbstractAsyncContextManager[LocalServer]:
        """A server on a free port of this machine for as long as the context lasts.

        It handles no signals. Leaving the context ends it in good order, within seconds.

        Args:
            settings: What is in force.
            is_working: Otherwise it shows what there is, and takes nothing up.

        Raises:
            OpenAgentError: It cannot start.
        """
        ...


Builder = Callable[[], ServerBuilder]
"""Imports and returns what makes servers."""
