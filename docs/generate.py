"""Writes `docs/reference/` from the code: a page per kind of thing that a user can name.

Run as `python -m docs.generate`. `--check` writes nothing and fails when a page is not what the
code says.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from docs.pages import commands, events, http, settings, tools

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTICE = "<!-- Written from the code; `make docs` writes it anew. -->\n\n"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "events.md": events.page,
    "http.md": http.page,
    "settings.md": settings.page,
    "tools.md": tools.page,
}


def main() -> int:
    """Write the pages, or say which ones are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    is_check = parser.parse_args().check
    pages = {REFERENCE / name: NOTICE + make() for name, make in PAGES.items()}
    problems = [
        f"{path.name}: nothing writes it" for path in REFERENCE.glob("*") if path not in pages
    ]
    if is_check:
        problems += [
            f"{path.name}: not what the code says"
            for path, text in pages.items()
            if not path.exists() or path.read_text(encoding="utf-8") != text
        ]
    else:
        REFERENCE.mkdir(exist_ok=True)
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
    if problems:
        print("\n".join(["In docs/reference/:", *problems, "`make docs` writes the pages anew."]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
