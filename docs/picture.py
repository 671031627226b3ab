"""Draws `docs/demo.svg`: the demonstration as the command line really shows it, in excerpts.

Run as `python -m docs.picture`. No test compares the picture, since ids and times differ.
"""

import os
import pty
import re
import sys
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

PICTURE = Path(__file__).resolve().parent / "demo.svg"
COMMAND = 'open-agent run "Show me what you can do"'
WIDTH = 100
HOME = "/home/you"
LEFT_OUT = "\x1b[2m  ⋮\x1b[0m"

EXCERPTS = (
    ("I will show", 2),
    ("Now I run the test", 5),
    ("3725 seconds", 1),
    ("The minutes are", 13),
    ("I run the test again", 11),
    ("It passes", 9),
    ("Done.", 4),
    ("✓ succeeded", 1),
)
"""What the picture shows: from the line that begins so, so many lines."""


def main() -> None:
    """Run the demonstration and draw what it printed."""
    with tempfile.TemporaryDirectory() as home:
        shown = run(home).replace(home, HOME)
    console = Console(width=WIDTH, record=True, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi(f"\x1b[1m$ {COMMAND}\x1b[0m"))
    for line in excerpts(shown.splitlines()):
        console.print(Text.from_ansi(line), soft_wrap=False)
    # Without fonts from another host.
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    PICTURE.write_text(
        console.export_svg(title="open-agent", theme=MONOKAI, code_format=form, unique_id="demo"),
        encoding="utf-8",
    )


def run(home: str) -> str:
    """What the command prints on a terminal, as it is at the end."""
    output = bytearray()

    def read(descriptor: int) -> bytes:
        piece = os.read(descriptor, 4096)
        output.extend(piece)
        return piece

    command = [str(Path(sys.executable).with_name("open-agent")), "run", COMMAND.split('"')[1]]
    # Port 0 is no server's, so that none that runs here takes the task.
    settings = {"HOME": home, "COLUMNS": str(WIDTH), "TERM": "xterm-256color", "PORT": "0"}
    os.environ.update(settings)
    pty.spawn(command, read)
    text = output.decode().replace("\r\n", "\n")
    return "\n".join(re.split(r"\r?\x1b\[2K", line)[-1] for line in text.split("\n"))


def excerpts(lines: list[str]) -> Iterator[str]:
    """The lines to show, and a mark where some are left out."""
    plain = [Text.from_ansi(line).plain.strip() for line in lines]
    end = 0
    for beginning, count in EXCERPTS:
        start = next(i for i in range(end, len(lines)) if plain[i].startswith(beginning))
        if any(plain[end:start]):
            yield LEFT_OUT
        yield ""
        yield from lines[start : start + count]
        end = start + count


if __name__ == "__main__":
    main()
