"""Long text folded: its beginning, its end, and how much lies between."""

from collections import deque
from dataclasses import dataclass

from open_agent.cli.rendering.facts import count
from open_agent.cli.rendering.neutral import neutral_line

LONGEST_LINE = 400
"""Characters shown of one line."""
SPARED = 40
"""Fewer characters beyond it are shown too: to say that they are missing takes as much."""
LONGEST_HELD = 16_384
"""Characters of an unfinished line that are waited for."""


@dataclass(frozen=True, slots=True)
class Folding:
    """How many lines are shown of a text; without bounds, all."""

    head: int | None = None
    tail: int = 0

    @property
    def is_off(self) -> bool:
        """Everything is shown."""
        return self.head is None


EVERYTHING = Folding()


class LineFolder:
    """Takes text in pieces and gives lines: the head at once, the tail at the end."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding
        self._held = ""
        self._tail: deque[str] = deque(maxlen=folding.tail)
        self._shown = 0
        self._hidden = 0
        self.length = 0
        """Characters taken."""

    def feed(self, text: str) -> list[str]:
        """Lines to show now."""
        self.length += len(text)
        *lines, self._held = (self._held + text).split("\n")
        if len(self._held) > LONGEST_HELD:
            lines.append(self._held)
            self._held = ""
        return self._take(lines)

    def drop_unfinished(self) -> None:
        """Forget the line that has not ended: it comes again, whole."""
        self._held = ""

    def finish(self) -> tuple[list[str], int, list[str]]:
        """The last lines: those that go on from the head, how many are left out, the tail."""
        last = self._take([self._held]) if self._held.strip("\r") else []
        self._held = ""
        return last, self._hidden, list(self._tail)

    def _take(self, lines: list[str]) -> list[str]:
        shown: list[str] = []
        for line in lines:
            if self._folding.head is None or self._shown < self._folding.head:
                self._shown += 1
                shown.append(self._cut(line))
                continue
            if self._folding.tail:
                if len(self._tail) == self._folding.tail:
                    self._hidden += 1
                self._tail.append(self._cut(line))
            else:
                self._hidden += 1
        return shown

    def _cut(self, line: str) -> str:
        line = neutral_line(line)
        if self._folding.is_off or len(line) <= LONGEST_LINE + SPARED:
            return line
        return f"{line[:LONGEST_LINE]}… ({count(len(line) - LONGEST_LINE, 'character')} more)"


def fold_text(text: str, folding: Folding) -> tuple[list[str], int, list[str]]:
    """A whole text: its first lines, how many are left out, its last lines."""
    folder = LineFolder(folding)
    head = folder.feed(text)
    last, hidden, tail = folder.finish()
    return [*head, *last], hidden, tail
