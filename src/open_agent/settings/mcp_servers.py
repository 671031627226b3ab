"""The settings of our own MCP servers, which clients start: `open-agent mcp host` and `desktop`."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import BaseSettings

from open_agent.settings.types import absolute, setting


def _resolution(text: str) -> str:
    match = re.fullmatch(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})", text.strip().lower())
    if match is None or max(int(side) for side in match.groups()) > 7680:
        raise ValueError("that is no size of a screen")
    return match.group()


class McpServerSettings(BaseSettings):
    """What our own MCP servers are told by whoever starts them."""

    open_agent_workspace: Annotated[Path, BeforeValidator(absolute)] | None = setting(
        None,
        "Where `open-agent mcp host` and `open-agent mcp desktop` work; by default the current"
        " folder.",
        "a folder",
    )
    desktop_resolution: Annotated[str, AfterValidator(_resolution)] = setting(
        "1280x720",
        "The size of the screens of `open-agent mcp desktop`.",
        "width and height, such as 1920x1080",
    )
