"""`open-agent link`: a way in for a browser."""

import anyio

from open_agent.cli.options import Place
from open_agent.cli.session import Session, open_session


def print_link(place: Place) -> None:
    """Have the running server make a link, and print it.

    Raises:
        Unavailable: No server answers.
        Conflict: There is nobody whom the link could let in as.
    """
    anyio.run(_print, open_session(place))


async def _print(session: Session) -> None:
    async with session.connected() as connection:
        made = await connection.change("POST", "/api/auth/link", {})
    session.terminal.print(str(made["url"]))
    how = f" Or log in with this password: {made['code']}" if made["code"] else ""
    session.terminal.note(f"Good once, within {made['minutes']} minutes.{how}", "plain")
