"""What a shell would run, told apart without running it: the commands of a line, and their words.

Not a shell: where the words are made only while the line runs (variables, substitutions, globs),
or the line goes beyond what is understood here, it says that it cannot tell. Rules of approval
are built on that; `policy.py` has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_PARTS = 50
"""Commands in one line; of more than these nothing is said."""
MOST_CHARACTERS = 20_000

_SEPARATORS = "\n;&|()"
_MADE_LATER = "$`*?[{~!"
"""What makes a word one that only the shell knows, outside of quotes."""
_REDIRECTIONS = "<>"


@dataclass(slots=True)
class Word:
    """One word with its quotes taken off."""

    text: str = ""
    is_plain: bool = True
    """It is as it is written: nothing in it is made while the line runs."""


@dataclass(slots=True)
class Part:
    """One simple command of a line."""

    words: list[Word] = field(default_factory=list[Word])
    is_fed: bool = False
    """Its input comes from a pipe, a file or the line itself."""


@dataclass(slots=True)
class Line:
    """What is understood of a line."""

    parts: list[Part] = field(default_factory=list[Part])
    is_understood: bool = True
    is_simple: bool = True
    """One command, and nothing but plain words: what is read is what is run."""


def read_line(text: str) -> Line:
    """Tell the commands of a line apart."""
    if len(text) > MOST_CHARACTERS or not _is_printable(text):
        return Line(is_understood=False, is_simple=False)
    reader = _Reader(text)
    line = reader.read()
    line.parts = [part for part in line.parts if part.words]
    if len(line.parts) > MOST_PARTS:
        line.is_understood = False
    is_one = len(line.parts) == 1 and all(word.is_plain for word in line.parts[0].words)
    line.is_simple = line.is_simple and line.is_understood and is_one
    return line


def _is_printable(text: str) -> bool:
    return all(char.isprintable() or char in "\n\t" for char in text)


class _Reader:
    """Goes through a line once, from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._line = Line()
        self._part = Part()
        self._word: Word | None = None

    def read(self) -> Line:
        """Read all of it."""
        while self._place < len(self._text):
            self._step(self._next())
        self._end_part(is_pipe=False)
        return self._line

    def _step(self, char: str) -> None:
        if char == "'":
            self._quote(self._upto("'"))
        elif char == '"':
            self._double_quote()
        elif char == "\\":
            self._escape()
        elif char in " \t":
            self._end_word()
        elif char in _SEPARATORS:
            self._separate(char)
        elif char in _REDIRECTIONS:
            self._redirect(char)
        elif char == "#" and self._word is None:
            self._comment()
        else:
            self._add(char, is_plain=char not in _MADE_LATER and char != "}")

    def _next(self) -> str:
        char = self._text[self._place]
        self._place += 1
        return char

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _upto(self, quote: str) -> str:
        end = self._text.find(quote, self._place)
        if end < 0:
            self._line.is_understood = False
            end = len(self._text)
        found = self._text[self._place : end]
        self._place = end + 1
        return found

    def _add(self, text: str, *, is_plain: bool = True) -> None:
        if self._word is None:
            self._word = Word()
        self._word.text += text
        self._word.is_plain = self._word.is_plain and is_plain

    def _quote(self, text: str) -> None:
        self._add(text)

    def _double_quote(self) -> None:
        self._add("")
        while True:
            char = self._peek()
            if not char:
                self._line.is_understood = False
                return
            self._place += 1
            if char == '"':
                return
            if char == "\\" and self._peek():
                escaped = self._next()
                self._add(escaped if escaped in '$`"\\' else "\\" + escaped, is_plain=False)
            elif char == "`" or (char == "$" and self._peek() == "("):
                self._substitution(char)
            else:
                self._add(char, is_plain=char not in "$!")

    def _substitution(self, char: str) -> None:
        """A command inside of a word: its parts are found by going on as if the word had ended."""
        self._line.is_simple = False
        inner = self._upto("`") if char == "`" else self._balanced()
        self._add(inner, is_plain=False)
        self._line.parts += read_line(inner).parts
        self._line.is_understood = self._line.is_understood and read_line(inner).is_understood

    def _balanced(self) -> str:
        start, depth = self._place + 1, 0
        while self._place < len(self._text):
            char = self._next()
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return self._text[start : self._place - 1]
        self._line.is_understood = False
        return self._text[start:]

    def _escape(self) -> None:
        self._line.is_simple = False
        if self._peek() == "\n":
            self._place += 1
        elif self._peek():
            self._add(self._next())
        else:
            self._line.is_understood = False

    def _separate(self, char: str) -> None:
        self._line.is_simple = False
        self._end_part(is_pipe=char == "|" and self._peek() != "|")

    def _redirect(self, char: str) -> None:
        """What is read from or written to is a word of its own, and never a command."""
        self._line.is_simple = False
        if self._word is not None and self._word.text.isdigit():
            self._word = None
        self._end_word()
        self._part.is_fed = self._part.is_fed or char == "<"
        self._add("<>", is_plain=True)
        while self._peek() in ("<", ">", "&", "|") and self._peek():
            self._place += 1
        while self._peek() in (" ", "\t") and self._peek():
            self._place += 1

    def _comment(self) -> None:
        self._line.is_simple = False
        self._upto_line_end()

    def _upto_line_end(self) -> None:
        end = self._text.find("\n", self._place)
        self._place = len(self._text) if end < 0 else end

    def _end_word(self) -> None:
        word, self._word = self._word, None
        # The target of a redirection begins with its mark.
        if word is not None and not word.text.startswith("<>"):
            self._part.words.append(word)

    def _end_part(self, *, is_pipe: bool) -> None:
        self._end_word()
        self._line.parts.append(self._part)
        self._part = Part(is_fed=is_pipe)


def commands(line: Line) -> Iterator[Part]:
    """The commands of a line, those that are words of others included (`sh -c "…"`)."""
    yield from line.parts
