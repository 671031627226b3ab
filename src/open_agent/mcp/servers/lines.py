"""Lines out of bytes as they come, none longer than can be afforded."""

TOO_LONG = b"\n"
"""Stands for a line that was longer: no line holds its own end."""


class Lines:
    """Cuts what comes into lines, without their ends.

    Args:
        longest: Bytes of a line; of a longer one nothing is kept, and `TOO_LONG` stands for it.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._begun: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`."""
        *ends, rest = data.split(b"\n")
        found: list[bytes] = []
        for end in ends:
            self._keep(end)
            found.append(self._take())
        self._keep(rest)
        return found

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._begun.clear()
        elif part:
            self._begun.append(part)

    def _take(self) -> bytes:
        line = TOO_LONG if self._size > self._longest else b"".join(self._begun)
        self._begun.clear()
        self._size = 0
        return line
