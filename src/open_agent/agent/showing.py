"""Arguments of calls as people are shown them: long texts cut, and all of it within bounds."""

from collections.abc import Mapping
from typing import Any

import pydantic_core

SHOWN_CHARACTERS = 2_000
"""What people see of one long argument."""
SHOWN_IN_ALL = 40_000
"""Bytes, as JSON."""


def shorten(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call, for its event."""
    shown = {name: _shorten(value) for name, value in arguments.items()}
    if len(pydantic_core.to_json(shown, inf_nan_mode="strings")) <= SHOWN_IN_ALL:
        return shown
    return {"omitted": "The arguments are too large to show."}


def _shorten(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        left_out = len(value) - SHOWN_CHARACTERS
        return f"{value[:SHOWN_CHARACTERS]}… [{left_out:,} more characters]"
    return value
