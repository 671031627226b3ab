"""Reading part of a text file."""

import io
from dataclasses import dataclass, field

from open_agent.tools.definition import Effect, ToolContext, ToolFailed, tool
from open_agent.tools.missing import not_found
from open_agent.tools.plain_text import decode, from_file, is_binary

SHOWN_CHARACTERS = 28_000
SHOWN_OF_A_LINE = 2_000
COUNTED_BYTES = 256 * 1024 * 1024
"""Beyond, the lines of a file are not counted: this much takes some 0.2 s."""
SEARCHED_BYTES = 4 * 1024 * 1024 * 1024
"""Beyond, a line is not looked for."""
CHUNK = 1024 * 1024


@tool(effect=Effect.READ, timeout=20)
async def read_file(
    ctx: ToolContext, path: str, start_line: int = 1, end_line: int | None = None
) -> str:
    """Read a text file, with line numbers. Long files come in pages.

    Args:
        path: Absolute, or relative to the working directory.
        start_line: First line to return, counting from 1.
        end_line: Last line to return, included; by default as many as fit.
    """
    file = ctx.workspace.resolve(path)
    if end_line is not None and start_line > end_line:
        start_line, end_line = end_line, start_line
    page = Page(max(1, start_line), end_line)
    try:
        await ctx.workspace.read_with(file, page.read)
    except FileNotFoundError:
        raise ToolFailed(await not_found(ctx, path)) from None
    return page.show()


@dataclass
class Page:
    """Some lines of a file, and what is known of the rest."""

    start: int
    end: int | None
    lines: list[str] = field(default_factory=list[str])
    size: int = 0
    complete_lines: int = 0
    """Line feeds seen so far."""
    is_binary: bool = False
    is_counted: bool = True
    """All of the file was seen."""
    has_loose_end: bool = False
    """The last line has no line feed."""
    _shown: int = 0
    _line: bytearray = field(default_factory=bytearray)
    _line_length: int = 0

    def read(self, file: io.FileIO) -> None:
        """Read through the file, keep what is wanted, count the rest."""
        read_bytes = 0
        while chunk := file.read(CHUNK):
            if not read_bytes and is_binary(chunk[:8192]):
                self.is_binary = True
                self.size = file.seek(0, io.SEEK_END)
                return
            read_bytes += len(chunk)
            self._take(chunk)
            self.has_loose_end = not chunk.endswith(b"\n")
            if read_bytes > (COUNTED_BYTES if self._is_full else SEARCHED_BYTES):
                self.is_counted = False
                break
        self.size = read_bytes
        if self._line_length and not self._is_full:
            self._add_line()

    @property
    def _is_full(self) -> bool:
        next_line = self.start + len(self.lines)
        return self._shown >= SHOWN_CHARACTERS or (self.end is not None and next_line > self.end)

    def _take(self, chunk: bytes) -> None:
        position = self._skip(chunk)
        while position < len(chunk) and not self._is_full:
            end = chunk.find(b"\n", position)
            stop = len(chunk) if end < 0 else end
            room = max(0, SHOWN_OF_A_LINE * 4 - len(self._line))
            self._line += chunk[position : min(stop, position + room)]
            self._line_length += stop - position
            if end >= 0:
                self._add_line()
                self.complete_lines += 1
            position = stop + 1
        self.complete_lines += chunk.count(b"\n", position)

    def _skip(self, chunk: bytes) -> int:
        """Where in the chunk the first wanted line begins or goes on."""
        missing = self.start - self.complete_lines - 1
        if missing <= 0:
            return 0
        here = chunk.count(b"\n")
        if here < missing:
            self.complete_lines += here
            return len(chunk)
        position = 0
        for _ in range(missing):
            position = chunk.index(b"\n", position) + 1
        self.complete_lines += missing
        return position

    def _add_line(self) -> None:
        text = from_file(decode(bytes(self._line.rstrip(b"\r"))))
        if len(text) > SHOWN_OF_A_LINE or self._line_length > len(self._line):
            text = f"{text[:SHOWN_OF_A_LINE]} [… the line has {self._line_length:,} bytes]"
        number = self.start + len(self.lines)
        self.lines.append(f"{number:>4}| {text}")
        self._shown += len(self.lines[-1]) + 1
        self._line.clear()
        self._line_length = 0

    def show(self) -> str:
        """The page, and how to go on."""
        if self.is_binary:
            return (
                f"This is a binary file of {self.size:,} bytes and cannot be shown as text."
                " `file` or `xxd | head` in run_command may tell more."
            )
        if not self.size:
            return "The file is empty."
        total = self.complete_lines + self.has_loose_end
        said = f"{total:,} lines" if self.is_counted else f"more than {total:,} lines"
        if not self.lines:
            return f"There is no line {self.start}: the file has {said}."
        last = self.start + len(self.lines) - 1
        shown = "\n".join(self.lines)
        if self.start == 1 and last >= total:
            return shown
        more = f"; go on with start_line={last + 1}" if last < total else ""
        return f"{shown}\n[lines {self.start}-{last} of {said}{more}]"
