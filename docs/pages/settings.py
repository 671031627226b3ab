"""The reference page of the settings, from `Settings`."""

from typing import cast

from docs.pages.table import table
from open_agent.settings.settings import Settings

INTRODUCTION = """\
A setting is read from the command line, else from the environment, else from a `.env` file: the
one of `DATA_DIR`, or the one that `--env-file` names. A `.env` of the current folder is never read.
`open-agent config` shows what is in force and where each value came from. Blank counts as not set.
"""


def page() -> str:
    """Every setting with its default."""
    rows = (
        [f"`{name.upper()}`", _default(info.default), info.description or ""]
        for name, info in Settings.model_fields.items()
    )
    columns = ["Setting", "Default", "What it does"]
    return "\n".join(["# Settings", "", INTRODUCTION, *table(columns, rows)])


def _default(value: object) -> str:
    if value is None or value in ((), {}):
        return "not set"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, cast('tuple[object, ...]', value)))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
