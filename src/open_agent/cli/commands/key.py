"""`open-agent key …`: the API keys of whoever has the token."""

from typing import Any
from urllib.parse import quote

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import Session, open_session

COLUMNS = (Column("NAME"), Column("SCOPE"), Column("ENDS"), Column("LAST USED"), Column("ID"))


def add_key(builder: Builder, place: Place, name: str, scope: str, days: int | None) -> None:
    """Make a key, and print it.

    Raises:
        Invalid: The name or the scope is none.
    """
    body = {"name": name, "scope": scope, "days": days}
    anyio.run(_add, builder, open_session(place), body)


def list_keys(builder: Builder, place: Place, *, is_json: bool) -> None:
    """Print all keys, without the keys themselves."""
    anyio.run(_list, builder, open_session(place), is_json)


def revoke_key(builder: Builder, place: Place, key_id: str) -> None:
    """Revoke a key.

    Raises:
        NotFound: There is none of that id.
    """
    anyio.run(_revoke, builder, open_session(place), key_id)


async def _add(builder: Builder, session: Session, body: dict[str, Any]) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        made = await connection.change("POST", "/api/keys", body)
    session.terminal.print(str(made["key"]))
    session.terminal.note("Keep it: it is not shown again.", "plain")


async def _list(builder: Builder, session: Session, is_json: bool) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        keys = (await connection.get("/api/keys")).value["items"]
    if is_json:
        text = pydantic_core.to_json(keys, indent=2).decode()
        session.terminal.print(neutral_json(text))
    elif keys:
        session.terminal.show(lay_out(COLUMNS, [_row(key) for key in keys], session.terminal.width))
    else:
        session.terminal.note("No keys yet. `open-agent key add NAME` makes one.", "plain")


async def _revoke(builder: Builder, session: Session, key_id: str) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        await connection.change("DELETE", f"/api/keys/{quote(key_id.strip(), safe='')}")
    session.terminal.note("The key is revoked.", "plain")


def _row(key: dict[str, Any]) -> list[Piece]:
    return [
        Piece(neutral(key["name"]), "strong"),
        Piece(key["scope"]),
        Piece(str(key["expires_at"] or "never")[:16].replace("T", " ")),
        Piece(str(key["last_used_at"] or "never")[:16].replace("T", " "), "faint"),
        Piece(key["id"], "faint"),
    ]
