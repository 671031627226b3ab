"""`open-agent stop`: ends a task's run, with every process it started."""

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.session import Session, find_task, open_session
from open_agent.cli.watching import progress


def stop_task(place: Place, text: str, *, is_json: bool) -> None:
    """Stop a task.

    Raises:
        Conflict: It has ended already.
    """
    anyio.run(_stop, open_session(place), text, is_json)


async def _stop(session: Session, text: str, is_json: bool) -> None:
    async with session.connected() as connection:
        task_id = await find_task(session, connection, text)
        async with progress(session.terminal, session.clock, lambda: "stopping the run"):
            reply = await connection.post(f"/api/task/{task_id}/stop")
    if is_json:
        session.terminal.print(pydantic_core.to_json(reply.value).decode())
    else:
        session.terminal.note(str(reply.value["message"]), "plain")
