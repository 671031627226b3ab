"""Long requests that must end when the credential does that they were let in with."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from open_agent.core.actor import Credential

OnEnd = Callable[[], None]


class Watchers:
    """Remembers what is open under which credential.

    Args:
        is_live: Whether a credential still counts.
    """

    def __init__(self, is_live: Callable[[Credential], bool]) -> None:
        self._is_live = is_live
        self._open: dict[Credential, dict[object, OnEnd]] = {}

    @contextmanager
    def watch(self, credential: Credential, on_end: OnEnd) -> Generator[None]:
        """Call `on_end` once when the credential ends within the context."""
        mark = object()
        self._open.setdefault(credential, {})[mark] = on_end
        try:
            yield
        finally:
            others = self._open.get(credential)
            if others is not None:
                others.pop(mark, None)
                if not others:
                    del self._open[credential]

    def sweep(self) -> None:
        """End what is open under credentials that have ended."""
        for credential in [each for each in self._open if not self._is_live(each)]:
            for on_end in self._open.pop(credential).values():
                on_end()
