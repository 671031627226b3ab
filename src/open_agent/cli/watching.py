"""Follows a run to its end, saying what goes on; Ctrl-C asks, then stops the run or leaves it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal, assert_never

import anyio

from open_agent.cli.rendering.ending import Ending
from open_agent.cli.streams import BegunAnew, ConnectionChanged, Follower, RecordSeen
from open_agent.cli.terminal import Terminal
from open_agent.cli.views import View
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, OpenAgentError
from open_agent.events.delta import Delta

TICK_SECONDS = 0.125
ANSWER_SECONDS = 20.0
"""How long the question waits before the run is followed on."""
QUESTION = (
    "Stop the run? Ctrl-C again stops it, Enter or d leaves it running, c goes on watching "
    f"(as does waiting {ANSWER_SECONDS:.0f} s)."
)

Choice = Literal["stop", "leave", "watch"]


@dataclass(frozen=True, slots=True)
class CtrlC:
    """What Ctrl-C does to a run that is followed.

    Attributes:
        stop: Asks the server to end the run; without it, Ctrl-C leaves at once.
    """

    stop: Callable[[], Awaitable[object]] | None = None


async def watch(
    follower: Follower, view: View, terminal: Terminal, clock: Clock, ctrl_c: CtrlC
) -> Ending | None:
    """Show a run until it ends, or none when the reader left before that.

    Raises:
        OpenAgentError: The server refuses, or is gone.
    """
    with anyio.CancelScope() as scope:
        keyboard = asyncio.create_task(_listen(terminal, ctrl_c, scope.cancel))
        try:
            async with progress(terminal, clock, lambda: view.activity):
                return await _show(follower, view, terminal)
        finally:
            keyboard.cancel()
            with suppress(asyncio.CancelledError):
                await keyboard
    return None


@asynccontextmanager
async def progress(
    terminal: Terminal, clock: Clock, activity: Callable[[], str]
) -> AsyncGenerator[None]:
    """Say what goes on whenever nothing else has been said for a second."""

    async def tick() -> None:
        since, last = clock.monotonic(), ""
        while True:
            now = activity()
            if now != last:
                since, last = clock.monotonic(), now
            terminal.progress(now, since)
            await asyncio.sleep(TICK_SECONDS)

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking
        terminal.clear_progress()


async def _show(follower: Follower, view: View, terminal: Terminal) -> Ending:
    async for item in follower.items():
        match item:
            case RecordSeen():
                view.record(item)
                if view.ending is not None and not follower.is_more_to_come:
                    return view.ending
            case Delta():
                view.delta(item)
            case ConnectionChanged(state="lost"):
                terminal.note("Lost the server; reconnecting…", "warn")
            case ConnectionChanged():
                terminal.note("Connected again.")
            case BegunAnew():
                terminal.note("The server's record begins anew; here it is.", "warn")
                view.begin_anew()
            case _:
                assert_never(item)
    raise AssertionError("a stream goes on until its reader has seen enough")


async def _listen(terminal: Terminal, ctrl_c: CtrlC, leave: Callable[[], None]) -> None:
    """Do what Ctrl-C means, as often as it comes; SIGTERM leaves."""
    presses = asyncio.Queue[int]()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, presses.put_nowait, number)
    stopping: asyncio.Task[None] | None = None
    try:
        while True:
            number = await presses.get()
            if number == signal.SIGTERM or ctrl_c.stop is None or stopping:
                leave()
                return
            choice: Choice = "stop"
            if terminal.is_interactive:
                with terminal.holding():
                    choice = await _ask(terminal, presses)
            if choice == "leave":
                leave()
                return
            if choice == "stop":
                stopping = asyncio.create_task(_stop(terminal, ctrl_c.stop, leave))
    finally:
        if stopping is not None:
            stopping.cancel()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def _ask(terminal: Terminal, presses: asyncio.Queue[int]) -> Choice:
    terminal.note(QUESTION, "strong")
    pressed = asyncio.create_task(presses.get())
    typed = asyncio.create_task(_read_line())
    try:
        await asyncio.wait(
            {pressed, typed}, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if pressed.done():
            return "leave" if pressed.result() == signal.SIGTERM else "stop"
        if typed.done():
            return "leave" if typed.result() in {"", "d", "detach"} else "watch"
        terminal.note("Nobody answered, so it goes on.")
        return "watch"
    finally:
        pressed.cancel()
        typed.cancel()


async def _read_line() -> str:
    """What is typed, once Enter is pressed."""
    await anyio.wait_readable(sys.stdin)
    typed = os.read(sys.stdin.fileno(), 4096)
    return typed.decode(errors="replace").strip().lower() if typed else "the end of input"


async def _stop(
    terminal: Terminal, stop: Callable[[], Awaitable[object]], leave: Callable[[], None]
) -> None:
    terminal.note("Stopping the run… (Ctrl-C again leaves it to stop by itself)", "warn")
    try:
        await stop()
    except Conflict:
        pass  # It has ended, which the stream will say.
    except OpenAgentError as error:
        terminal.note(f"The run could not be stopped: {error.message}", "bad")
        leave()
