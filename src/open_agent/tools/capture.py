"""The output of a program in bounded memory: its beginning and its end."""

import codecs
from collections import deque

from open_agent.tools.clipping import clip
from open_agent.tools.plain_text import from_program

KEPT = 128 * 1024
"""Bytes of the beginning, and as many of the end: what is shown has its characters in there."""


class Capture:
    """One stream of a program."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0

    def add(self, data: bytes) -> None:
        """Take what came."""
        self.size += len(data)
        if room := KEPT - len(self._head):
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail.append(data)
            self._tail_size += len(data)
            while self._tail_size - len(self._tail[0]) >= KEPT:
                self._tail_size -= len(self._tail.popleft())

    @property
    def is_whole(self) -> bool:
        """Nothing was left out."""
        return self.size == len(self._head) + self._tail_size

    def raw(self) -> bytes:
        """All of it, or its beginning if it was long."""
        return bytes(self._head) + (b"".join(self._tail) if self.is_whole else b"")

    @property
    def looks_binary(self) -> bool:
        """Its beginning is not text."""
        sample = bytes(self._head[:8192])
        text = sample.decode("utf-8", "ignore")
        odd = sum(1 for character in text if character < " " and character not in "\t\n\r\b\x1b")
        lost = len(sample) - len(text.encode())
        return len(sample) > 100 and odd + lost > len(sample) // 10

    def text(self, limit: int, advice: str = "") -> str:
        """What a terminal would show of it, in about `limit` characters."""
        if self.looks_binary:
            return f"[binary output of {self.size:,} bytes, not shown. {advice}]"
        head = bytes(self._head)
        tail = b"".join(self._tail)
        if self.is_whole:
            return clip(
                from_program((head + tail).decode("utf-8", "replace")), limit, advice=advice
            )
        shown_head = from_program(_without_broken_end(head))[: limit // 2]
        shown_tail = from_program(_without_broken_start(tail))[-(limit // 2) :]
        hidden = self.size - len(shown_head.encode()) - len(shown_tail.encode())
        said = f" {advice}" if advice else ""
        return f"{shown_head}\n[… about {hidden:,} bytes left out.{said} …]\n{shown_tail}"


def _without_broken_end(data: bytes) -> str:
    return codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=False)


def _without_broken_start(data: bytes) -> str:
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return data[start:].decode("utf-8", "replace")
