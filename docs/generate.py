"""Writes `docs/reference/` from the code: a page per kind of thing that a user can name.

`--check` writes nothing and fails when a page is not what the code says.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from open_agent.settings import Settings

REFERENCE = Path(__file__).resolve().parent / "reference"
NOTICE = "<!-- Written by docs/generate.py from the code; `make docs` writes it anew. -->\n"


def settings_page() -> str:
    """Every setting with its default, from `Settings`."""
    lines = [
        "# Settings",
        "",
        "A setting is read from the command line, else from the environment, else from a `.env`"
        " file: the one of `DATA_DIR`, or the one that `--env-file` names. A `.env` of the current"
        " folder is never read. `open-agent config` shows what is in force and where each value"
        " came from.",
        "",
        "| Setting | Default | What it does |",
        "|---|---|---|",
    ]
    for name, info in Settings.model_fields.items():
        lines.append(f"| `{name.upper()}` | {default_of(info.default)} | {info.description} |")
    return "\n".join(lines) + "\n"


def default_of(value: object) -> str:
    """A default as a reader would write it."""
    if value is None or value in ((), {}):
        return "not set"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
}


def main() -> int:
    """Write the pages, or say which ones are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    is_check = parser.parse_args().check
    stale: list[str] = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, NOTICE + "\n" + make()
        if is_check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            REFERENCE.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    extra = {path.name for path in REFERENCE.glob("*")} - set(PAGES)
    problems = [f"docs/reference/{name} is not what the code says" for name in stale]
    problems += [f"docs/reference/{name} is written by nobody" for name in sorted(extra)]
    if problems:
        print("\n".join([*problems, "`make docs` writes the pages anew."]), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
