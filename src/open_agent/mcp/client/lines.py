"""Lines of a stranger's output, in bounded memory and at a bounded rate."""

from collections.abc import Iterator
from dataclasses import dataclass

MOST_LINE_BYTES = 8 * 1024 * 1024
"""Of one message: a screenshot of a large screen fits."""
HEAD_BYTES = 512
"""Of a line that is too long: enough to see what it answers."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line that was not kept, but for its beginning."""

    head: bytes


class Lines:
    """Cuts a stream of bytes into lines.

    Args:
        limit: Bytes of the longest line that is kept.
    """

    def __init__(self, limit: int = MOST_LINE_BYTES) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._is_dropping = False

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """The lines that `data` completes, without their ends; one too long as soon as it is."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            yield from self._take(data[start:end])
            if self._is_dropping:
                self._is_dropping = False
            else:
                yield b"".join(self._parts)
            self._forget()
            start = end + 1
        yield from self._take(data[start:])

    def _take(self, part: bytes) -> Iterator[TooLong]:
        if self._is_dropping or not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._limit:
            self._is_dropping = True
            yield TooLong(b"".join(self._parts)[:HEAD_BYTES])
            self._forget()

    def _forget(self) -> None:
        self._parts.clear()
        self._size = 0


class Allowance:
    """How much may come unasked: a stock that refills with time.

    Args:
        stock: What may come at once.
        per_second: What comes to it in a second.
        now: The time when it is full.
    """

    def __init__(self, stock: float, per_second: float, now: float) -> None:
        self._most = self._stock = stock
        self._per_second = per_second
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Use some of it up; false when there is not so much."""
        self._stock = min(self._most, self._stock + (now - self._at) * self._per_second)
        self._at = now
        self._stock -= amount
        return self._stock >= 0


class Tail:
    """The end of what was written.

    Args:
        limit: Bytes that are kept.
    """

    def __init__(self, limit: int = 16 * 1024) -> None:
        self._limit = limit
        self._data = bytearray()

    def add(self, data: bytes) -> None:
        """Take what came."""
        self._data += data[-self._limit :]
        if len(self._data) > self._limit:
            del self._data[: -self._limit]

    def text(self) -> str:
        """What is kept, as text."""
        return self._data.decode("utf-8", "replace")
