"""What a shell would run, told apart without running it: the commands of a line, and their words.

Not a shell: where the words are made only while the line runs (variables, substitutions, globs),
or the line goes beyond what is understood here, it says that it cannot tell. Rules of approval
are built on that; `policy.py` has them.
"""

from dataclasses import dataclass, field

MOST_PARTS = 50
MOST_WORDS = 500
MOST_CHARACTERS = 20_000
DEEPEST = 5

_SEPARATORS = "\n;&|()`"
_MADE_LATER = "$*?[{}~!"
"""Outside of quotes, what makes a word one that only the shell knows."""


@dataclass(slots=True)
class Word:
    """One word with its quotes taken off."""

    text: str = ""
    is_plain: bool = True
    """Nothing in it is made while the line runs."""
    is_target: bool = False
    """It says where output goes or input comes from."""


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
    """One command of plain words and nothing else: what is read is what is run."""


def read_line(text: str, depth: int = 0) -> Line:
    """Tell the commands of a line apart; those inside of quoted substitutions are among them."""
    is_readable = all(char.isprintable() or char in "\n\t" for char in text)
    if len(text) > MOST_CHARACTERS or depth > DEEPEST or not is_readable:
        return Line(is_understood=False, is_simple=False)
    line = _Reader(text, depth).read()
    line.parts = [part for part in line.parts if part.words]
    if len(line.parts) > MOST_PARTS or sum(len(part.words) for part in line.parts) > MOST_WORDS:
        line.is_understood = False
    is_one = len(line.parts) == 1 and all(word.is_plain for word in line.parts[0].words)
    line.is_simple = line.is_simple and line.is_understood and is_one
    return line


class _Reader:
    """Goes through a line once, from its beginning to its end."""

    def __init__(self, text: str, depth: int) -> None:
        self._text = text
        self._depth = depth
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
            self._add(self._upto("'"))
        elif char == '"':
            self._double_quote()
        elif char == "\\":
            self._escape()
        elif char in " \t":
            self._end_word()
        elif char in _SEPARATORS:
            self._line.is_simple = False
            if char == "`":  # what comes of it is a word, or a part of one
                self._add(char, is_plain=False)
            self._end_part(is_pipe=char == "|" and self._peek() != "|")
        elif char in "<>":
            self._redirect(char)
        elif char == "#" and self._word is None:
            self._line.is_simple = False
            self._place = (self._text + "\n").find("\n", self._place)
        else:
            self._add(char, is_plain=char not in _MADE_LATER)

    def _next(self) -> str:
        char = self._text[self._place]
        self._place += 1
        return char

    def _peek(self) -> str:
        return self._text[self._place : self._place + 1]

    def _upto(self, mark: str) -> str:
        end = self._text.find(mark, self._place)
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

    def _double_quote(self) -> None:
        self._add("")
        while char := self._peek():
            self._place += 1
            if char == '"':
                return
            if char == "\\" and self._peek():
                self._add(self._next(), is_plain=False)
            elif char == "`" or (char == "$" and self._peek() == "("):
                self._substitute(self._upto("`") if char == "`" else self._balanced())
            else:
                self._add(char, is_plain=char not in "$!")
        self._line.is_understood = False

    def _substitute(self, command: str) -> None:
        self._add(command, is_plain=False)
        inner = read_line(command, self._depth + 1)
        self._line.parts += inner.parts
        self._line.is_understood = self._line.is_understood and inner.is_understood

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

    def _redirect(self, char: str) -> None:
        self._line.is_simple = False
        if self._word is not None and self._word.text.isdigit():
            self._word = None
        self._end_word()
        self._part.is_fed = self._part.is_fed or char == "<"
        while self._peek() and self._peek() in "<>&|":
            self._place += 1
        while self._peek() and self._peek() in " \t":
            self._place += 1
        self._word = Word(is_target=True)

    def _end_word(self) -> None:
        word, self._word = self._word, None
        if word is not None and not word.is_target:
            self._part.words.append(word)

    def _end_part(self, *, is_pipe: bool) -> None:
        self._end_word()
        self._line.parts.append(self._part)
        self._part = Part(is_fed=is_pipe)
