"""Arguments of calls as people are shown them: long texts cut, and all of it within bounds."""

from collections.abc import Mapping
from typing import Any

import pydantic_core

SHOWN_CHARACTERS = 2_000
"""What people see of one long argument."""
JUDGED_CHARACTERS = 20_000
"""As much of it is seen by somebody who has to allow the call."""
SHOWN_IN_ALL = 40_000
"""Bytes, as JSON."""


def shorten(arguments: Mapping[str, Any], longest: int = SHOWN_CHARACTERS) -> dict[str, Any]:
    """The arguments of a call, for its event; texts of more than `longest` characters are cut."""
    shown = {name: _shorten(value, longest) for name, value in arguments.items()}
    if len(pydantic_core.to_json(shown, inf_nan_mode="strings")) <= SHOWN_IN_ALL:
        return shown
    return {"omitted": "The arguments are too large to show."}


def _shorten(value: Any, longest: int) -> Any:
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}… [{len(value) - longest:,} more characters]"
    return value
