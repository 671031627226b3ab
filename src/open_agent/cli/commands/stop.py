"""`open-agent stop`: ends the run of a task or mission, with every process it started."""

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.rendering.facts import count
from open_agent.cli.rendering.narrator import SHORT_ID
from open_agent.cli.session import Session, find_mission, open_session
from open_agent.cli.watching import progress


def stop_task(place: Place, text: str, *, is_json: bool) -> None:
    """Stop a task, or the run of a mission.

    Raises:
        Conflict: The task has ended already.
        NotFound: The mission does not run.
    """
    anyio.run(_stop, open_session(place), text, is_json)


async def _stop(session: Session, text: str, is_json: bool) -> None:
    async with session.connected() as connection:
        found = await find_mission(session, connection, text)
        async with progress(session.terminal, session.clock, lambda: "stopping the run"):
            if found.kind == "task":
                value = (await connection.post(f"/api/task/{found.id}/stop")).value
                told = str(value["message"])
            else:
                path = f"/api/control/missions/{found.id}"
                value = (await connection.post(f"{path}/cancel")).value
                waiting = len((await connection.get(f"{path}/queue")).value["items"])
                told = _told(found.id, waiting)
    if is_json:
        session.terminal.print(pydantic_core.to_json(value).decode())
    else:
        session.terminal.note(told, "plain")


def _told(mission_id: str, waiting: int) -> str:
    if not waiting:
        return "Its run is stopped."
    what = "is held" if waiting == 1 else "are held"
    return (
        f"Its run is stopped. {count(waiting, 'waiting message')} {what} until "
        f"`open-agent message {mission_id[:SHORT_ID]} …` says more."
    )
