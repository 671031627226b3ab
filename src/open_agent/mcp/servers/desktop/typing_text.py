"""Typing on a screen."""

from typing import Annotated

from pydantic import Field

from open_agent.mcp.servers.desktop.context import DesktopContext, as_json
from open_agent.mcp.servers.desktop.programs import INPUT
from open_agent.tools.definition import Effect, ToolFailed, ToolOutput, tool

LONGEST_TEXT = 20_000
MOST_SECONDS = 120.0
MOST_KEYS = 50


@tool(effect=Effect.EXECUTE, timeout=MOST_SECONDS + 30)
async def desktop_type(
    ctx: DesktopContext,
    display: str,
    text: str | None = None,
    key: str | None = None,
    delay_ms: Annotated[int, Field(ge=0, le=1000)] = 12,
) -> ToolOutput:
    """Type text, or press keys, in the window that has the focus. Give one of `text` and `key`.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        text: Typed as it is; a line break presses Return. Look afterwards at characters that a US
            keyboard does not have.
        key: Keys by their X names, such as `Return`, `ctrl+l` or `alt+Tab`; several of them with
            spaces between.
        delay_ms: Milliseconds between two keys.
    """
    if (text is None) == (key is None):
        raise ToolFailed("Give either `text` or `key`, and not both.")
    session = ctx.session(display)
    if text is not None:
        _check(text, delay_ms)
        argv = ["xdotool", "type", "--delay", str(delay_ms), "--file", "-"]
        given = text.encode()
    else:
        argv = ["xdotool", "key", "--delay", str(delay_ms), *_keys(key or "")]
        given = None
    async with session.input_lock:
        typed = await session.run(INPUT, argv, seconds=MOST_SECONDS + 10, given=given)
    typed.checked()
    # It says so of names that are none, and ends as if all were well.
    if "No such key name" in typed.complaint:
        raise ToolFailed(f"{typed.complaint.strip()[:300]} Use X names such as Return or ctrl+c.")
    return ToolOutput(as_json(display=session.name, **_note(text)))


def _check(text: str, delay_ms: int) -> None:
    if "\0" in text:
        raise ToolFailed("The text holds a NUL character, which no key types.")
    if len(text) > LONGEST_TEXT or len(text) * delay_ms / 1000 > MOST_SECONDS:
        raise ToolFailed(
            f"That would take longer than {MOST_SECONDS:g} seconds. Type less at once, or with a"
            " smaller delay_ms; long text is better written to a file."
        )


def _note(text: str | None) -> dict[str, str]:
    """What xdotool cannot promise: it gives such characters a key for the moment of typing."""
    if text is None or text.isascii():
        return {}
    return {
        "note": "A US keyboard does not have all of these characters, and programs may take one for"
        " another. Look at what they have made of it."
    }


def _keys(key: str) -> list[str]:
    keys = key.split()
    if not keys or len(keys) > MOST_KEYS or any(each.startswith("-") for each in keys):
        raise ToolFailed(f"`key` is one to {MOST_KEYS} keys by their X names, such as ctrl+c.")
    return keys
