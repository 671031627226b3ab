"""`open-agent user …`: users, as the administration API has them.

The running server is asked; where none runs, one in this process that takes no work up.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import anyio
import pydantic_core

from open_agent.cli.connection import Connection
from open_agent.cli.options import Place
from open_agent.cli.passwords import ask_password
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import Session, open_session
from open_agent.core.errors import NotFound

COLUMNS = (Column("NAME"), Column("ROLE"), Column("STATE"), Column("KEPT IN"), Column("ID"))


def add_user(builder: Builder, place: Place, name: str, *, is_admin: bool, adopts: bool) -> None:
    """Add a user.

    Raises:
        Conflict: The name is taken.
        Invalid: The name or the password is unfit.
    """
    session = open_session(place)
    body = {
        "username": name,
        "password": ask_password(),
        "role": "admin" if is_admin else "member",
        "adopt": adopts,
    }
    anyio.run(_add, builder, session, body)


def list_users(builder: Builder, place: Place, *, is_json: bool) -> None:
    """Print all users."""
    anyio.run(_list, builder, open_session(place), is_json)


def change_password(builder: Builder, place: Place, name: str) -> None:
    """Give a user another password.

    Raises:
        NotFound: There is no such user.
        Invalid: The password is unfit.
    """
    change_user(builder, place, name, {"password": ask_password()})


def change_user(builder: Builder, place: Place, name: str, change: Mapping[str, Any]) -> None:
    """Change a user.

    Raises:
        NotFound: There is no such user.
        Conflict: The settings name them, or nobody could administer any more.
    """
    anyio.run(_change, builder, open_session(place), name, dict(change))


def delete_user(builder: Builder, place: Place, name: str) -> None:
    """Delete a user.

    Raises:
        NotFound: There is no such user.
        Conflict: The settings name them, or nobody could administer any more.
    """
    anyio.run(_delete, builder, open_session(place), name)


async def _add(builder: Builder, session: Session, body: dict[str, Any]) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        user = await connection.change("POST", "/api/users", body)
    session.terminal.note(
        f"{neutral(user['username'])} can sign in now, as {user['role']}.", "plain"
    )


async def _list(builder: Builder, session: Session, is_json: bool) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        users = (await connection.get("/api/users")).value["items"]
    if is_json:
        text = pydantic_core.to_json(users, indent=2).decode()
        session.terminal.print(neutral_json(text))
    elif users:
        session.terminal.show(
            lay_out(COLUMNS, [_row(user) for user in users], session.terminal.width)
        )
    else:
        session.terminal.note("No users yet. `open-agent user add NAME --admin` adds one.", "plain")


async def _change(builder: Builder, session: Session, name: str, change: dict[str, Any]) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        path = await _path(connection, name)
        user = await connection.change("PATCH", path, change)
    state = ", disabled" if user["is_disabled"] else ""
    session.terminal.note(f"{neutral(user['username'])}: {user['role']}{state}.", "plain")


async def _delete(builder: Builder, session: Session, name: str) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        await connection.change("DELETE", await _path(connection, name))
    session.terminal.note(f"{neutral(name)} is deleted.", "plain")


async def _path(connection: Connection, name: str) -> str:
    """Where the user of a name is looked after."""
    users = (await connection.get("/api/users")).value["items"]
    for user in users:
        if user["username"] == name.strip():
            return f"/api/users/{quote(user['id'], safe='')}"
    raise NotFound(
        "user.not_found", f"There is no user {name.strip()}; `open-agent user list` lists them."
    )


def _row(user: dict[str, Any]) -> list[Piece]:
    return [
        Piece(neutral(user["username"]), "strong"),
        Piece(user["role"]),
        Piece("disabled", "warn") if user["is_disabled"] else Piece("active", "good"),
        Piece("settings" if user["is_named"] else "database", "faint"),
        Piece(neutral(user["id"]), "faint"),
    ]
