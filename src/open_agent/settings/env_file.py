"""The `.env` file: read with care, each value with the line it stands in."""

import io
import os
import stat
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from open_agent.settings.types import absolute

DEFAULT_DATA_DIR = "~/.open-agent"
MAX_FILE_BYTES = 1024 * 1024

Given = dict[str, tuple[Any, str]]
"""Values as they were given, by field, each with where it came from."""


def offer(given: Given, name: str, value: Any, origin: str) -> None:
    """Take a value unless a stronger source gave one; blank counts as not given."""
    value = value.strip() if isinstance(value, str) else value
    if value not in (None, ""):
        given.setdefault(name, (value, origin))


def read_env_file(given: Given, env_file: Path | None, known: set[str]) -> list[str]:
    """Offer what the `.env` file says; returns what is wrong with the file itself."""
    data_dir, _ = given.get("data_dir", (DEFAULT_DATA_DIR, ""))
    path = env_file or absolute(data_dir) / ".env"
    if env_file is None and not path.exists():
        return []
    try:
        bindings = list(parse_stream(io.StringIO(_text_of(path))))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return [f"{path} cannot be read ({why}). Name another with --env-file, or mend it."]
    problems: list[str] = []
    for binding in reversed(bindings):  # of two lines with one name, the last one counts
        text = binding.original.string
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        name = (binding.key or "").lower()
        if binding.error:
            problems.insert(0, f"{path}:{line} cannot be understood. Write NAME=value.")
        elif name == "data_dir" and env_file is None:
            problems.insert(0, f"{path}:{line} sets DATA_DIR, but is read because it is in it.")
        elif name in known:
            value = binding.value
            if name in {"working_dir", "data_dir"} and value and not value.startswith("~"):
                value = str((path.absolute().parent / value).resolve())
            offer(given, name, value, f"{path}:{line}")
    return problems


def _text_of(path: Path) -> str:
    """What a file says. Nothing here can wait, or go on for ever, as a pipe or a device would.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is no file of settings.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:  # noqa: PTH123 - opened already
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is not a regular file")
        read = file.read(MAX_FILE_BYTES + 1)
    if len(read) > MAX_FILE_BYTES:
        raise ValueError("it is larger than 1 MB")
    try:
        return read.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
