"""`open-agent follow`: shows a run from its beginning, and goes on to its end."""

import anyio

from open_agent.cli.exits import Exit, exit_of_outcome
from open_agent.cli.options import Place
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.session import Session, find_mission, open_session
from open_agent.cli.streams import Follower
from open_agent.cli.views import JsonView, NarratedView
from open_agent.cli.watching import CtrlC, watch


def follow_task(place: Place, text: str, *, is_json: bool) -> Exit:
    """Follow a task to its end; returns how it ended."""
    return anyio.run(_follow, open_session(place), text, is_json)


async def _follow(session: Session, text: str, is_json: bool) -> Exit:
    async with session.connected() as connection:
        found = await find_mission(session, connection, text)
        task_id = found.id
        terminal = session.terminal
        view = JsonView(terminal) if is_json else NarratedView(terminal, task_id)
        if not is_json:
            terminal.note(found.named)
        follower = Follower(connection, task_id, session.clock)
        ending = await watch(follower, view, terminal, session.clock, CtrlC())
    if ending is None:
        terminal.note(f"The run goes on. `open-agent stop {task_id[:SHORT_ID]}` stops it.")
        return Exit.INTERRUPTED
    return exit_of_outcome(ending.outcome)
