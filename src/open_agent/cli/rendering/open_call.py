"""A tool call that has not returned, with the live output that was shown of it.

Live output may have gaps: nothing is lost with it, since the answer has what counts. So what the
answer has and the live output had not is shown at the end.
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from open_agent.cli.rendering.calls import show_folded, show_lines
from open_agent.cli.rendering.output import Folding, LineFolder
from open_agent.cli.rendering.pieces import Piece, Sheet

LONGEST_COMPARED = 200_000
"""Characters of live output that are kept to compare; answers are shorter."""

_STATUS_LINE = re.compile(r"(Exit code: -?\d+|Ended by signal .*)\n?")
_MARKS = ("--- stdout ---", "--- stderr ---")


class OpenCall:
    """A call at work.

    Args:
        name: Of the tool.
        arguments: As people are shown them.
        folding: How much to show of its output.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any], folding: Folding) -> None:
        self.name = name
        self.arguments = arguments
        self.is_inner = False
        """A subagent makes it."""
        self._output = LineFolder(folding)
        self._written: list[str] = []

    @property
    def has_output(self) -> bool:
        """Live output was shown."""
        return self._output.length > 0

    def write(self, sheet: Sheet, offset: int, content: str) -> None:
        """Show live output that begins after `offset` characters; nothing is shown twice."""
        known = self._output.length
        if offset + len(content) <= known:
            return
        if offset > known:
            self._feed(sheet, "\n")
            self._output.length = offset
            sheet.line(Piece("  │ …", "faint"))
        self._feed(sheet, content[max(0, known - offset) :])

    def finish(self, sheet: Sheet, answer: str, full: str) -> None:
        """Show what the answer has beyond the live output, and the end of it all."""
        if len(answer) > self._output.length and self._output.length <= LONGEST_COMPARED:
            self._output.drop_unfinished()
            seen = Counter("".join(self._written).split("\n")[:-1])
            for line in answer.rstrip("\n").split("\n"):
                if seen[line] > 0:
                    seen[line] -= 1
                elif line not in _MARKS:
                    self._feed(sheet, f"{line}\n")
        show_folded(sheet, self._output.finish(), full)

    def _feed(self, sheet: Sheet, text: str) -> None:
        if self._output.length <= LONGEST_COMPARED:
            self._written.append(text)
        show_lines(sheet, self._output.feed(text))


def command_lines(content: str) -> list[str]:
    """The answer of a command without what a line about its end says anyway."""
    rest = _STATUS_LINE.sub("", content, count=1) if _STATUS_LINE.match(content) else content
    lines = rest.split("\n") if rest else []
    return lines[1:] if lines and lines[0] in _MARKS else lines
