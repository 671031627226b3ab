"""The mouse: moving, clicking, scrolling."""

from typing import Annotated, Literal

from pydantic import Field

from open_agent.mcp.servers.desktop.context import DesktopContext, Pixels, as_json
from open_agent.mcp.servers.desktop.programs import INPUT
from open_agent.mcp.servers.desktop.sessions import Session
from open_agent.tools.definition import Effect, ToolFailed, ToolOutput, tool

MOST_CLICKS = 100
"""Of the wheel, in one call."""
WHEEL_MS = 20
SECONDS = 15.0

_BUTTONS = {"left": "1", "middle": "2", "right": "3"}
_UP, _DOWN = "4", "5"


@tool(effect=Effect.EXECUTE, timeout=30)
async def desktop_click(
    ctx: DesktopContext,
    display: str,
    x: Pixels,
    y: Pixels,
    button: Literal["left", "middle", "right"] = "left",
    double: bool = False,
) -> ToolOutput:
    """Click at a point of the screen.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        x: Pixels from the left.
        y: Pixels from the top.
        button: Which mouse button.
        double: Click twice.
    """
    session = ctx.session(display)
    session.check_point(x, y)
    clicks = ["--repeat", "2", "--delay", "80"] if double else []
    await _point(session, *_to(x, y), "sleep", "0.05", "click", *clicks, _BUTTONS[button])
    return ToolOutput(as_json(display=session.name, x=x, y=y, button=button, double=double))


@tool(effect=Effect.EXECUTE, timeout=30)
async def desktop_mouse_move(ctx: DesktopContext, display: str, x: Pixels, y: Pixels) -> ToolOutput:
    """Move the mouse to a point of the screen, without a click.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        x: Pixels from the left.
        y: Pixels from the top.
    """
    session = ctx.session(display)
    session.check_point(x, y)
    await _point(session, *_to(x, y))
    return ToolOutput(as_json(display=session.name, x=x, y=y))


@tool(effect=Effect.EXECUTE, timeout=30)
async def desktop_scroll(
    ctx: DesktopContext,
    display: str,
    amount: Annotated[int, Field(ge=-MOST_CLICKS, le=MOST_CLICKS)],
    x: Pixels | None = None,
    y: Pixels | None = None,
) -> ToolOutput:
    """Turn the mouse wheel.

    Args:
        display: As desktop_start_session returned it, such as `:1`.
        amount: Clicks of the wheel: above 0 scrolls down, below 0 up.
        x: Move there first, so that what lies there is scrolled.
        y: The same; give both or neither.
    """
    if (x is None) != (y is None):
        raise ToolFailed("Give both `x` and `y`, or neither.")
    session = ctx.session(display)
    steps: list[str] = []
    if x is not None and y is not None:
        session.check_point(x, y)
        steps += [*_to(x, y), "sleep", "0.05"]
    if amount:
        wheel = ["--repeat", str(abs(amount)), "--delay", str(WHEEL_MS)]
        steps += ["click", *wheel, _DOWN if amount > 0 else _UP]
    if steps:
        await _point(session, *steps)
    return ToolOutput(as_json(display=session.name, amount=amount))


def _to(x: int, y: int) -> list[str]:
    # Not `--sync`, which waits for ever where the mouse is there already.
    return ["mousemove", str(x), str(y)]


async def _point(session: Session, *steps: str) -> None:
    async with session.input_lock:
        (await session.run(INPUT, ["xdotool", *steps], seconds=SECONDS)).checked()
