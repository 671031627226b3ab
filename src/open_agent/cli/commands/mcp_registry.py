"""`open-agent mcp list` and `open-agent mcp import`: the MCP servers whose tools missions have."""

from pathlib import Path
from typing import Any

import anyio
import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.neutral import neutral, neutral_json
from open_agent.cli.rendering.pieces import Piece, Style
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.session import Session, open_session
from open_agent.services.mcp.seeding import read_json

COLUMNS = (Column("NAME"), Column("STATUS"), Column("TOOLS"), Column("CALLS"), Column("WHERE"))
_STYLES: dict[str, Style] = {"connected": "good", "error": "bad", "disabled": "faint"}


def list_servers(builder: Builder, place: Place, *, is_json: bool) -> None:
    """Print all servers, and how it stands with them."""
    anyio.run(_list, builder, open_session(place), is_json)


def import_servers(builder: Builder, place: Place, file: Path, *, is_own: bool) -> None:
    """Add the servers that a file names, and say which.

    Raises:
        Invalid: The file cannot be understood; nothing of it is taken.
    """
    value = read_json(file)
    body: dict[str, Any] = {"servers": value} if isinstance(value, list) else {}
    if isinstance(value, dict):
        body = dict(value)  # pyright: ignore[reportUnknownArgumentType] - the server looks at it
    if is_own:
        body["shared"] = False
    anyio.run(_import, builder, open_session(place), body)


async def _list(builder: Builder, session: Session, is_json: bool) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        servers: list[dict[str, Any]] = (await connection.get("/api/mcp")).value
    if is_json:
        session.terminal.print(neutral_json(pydantic_core.to_json(servers, indent=2).decode()))
        return
    rows = [_row(server) for server in servers]
    session.terminal.show(lay_out(COLUMNS, rows, session.terminal.width))
    for server in servers:
        if server["error"]:
            session.terminal.note(f"{neutral(server['name'])}: {neutral(server['error'])}", "warn")


async def _import(builder: Builder, session: Session, body: dict[str, Any]) -> None:
    async with session.reading(builder, may_begin=True) as connection:
        done = await connection.change("POST", "/api/mcp/import", body)
    for server in done["added"]:
        session.terminal.note(f"added {neutral(server['name'])}", "plain")
    for skipped in done["skipped"]:
        session.terminal.note(f"left {neutral(skipped['name'])}: {neutral(skipped['why'])}", "warn")
    if not done["added"] and not done["skipped"]:
        session.terminal.note("It names no servers.", "plain")


def _row(server: dict[str, Any]) -> list[Piece]:
    status = server["status"]
    return [
        Piece(neutral(server["name"]), "strong"),
        Piece(status, _STYLES.get(status, "plain")),
        Piece(str(len(server["tools"]))),
        Piece(f"{server['tool_calls']} ({server['tool_errors']} failed)"),
        Piece(neutral(server["endpoint"]), "faint"),
    ]
