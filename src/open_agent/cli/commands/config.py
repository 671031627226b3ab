"""`open-agent config`: what is in force, and where each value came from."""

from dataclasses import asdict

import pydantic_core

from open_agent.cli.options import Place
from open_agent.cli.rendering.neutral import neutral
from open_agent.cli.rendering.pieces import Piece
from open_agent.cli.rendering.table import Column, lay_out
from open_agent.cli.terminal import Terminal
from open_agent.core.clock import SystemClock
from open_agent.settings.settings import Settings


def show_config(place: Place, *, is_json: bool) -> None:
    """Print every setting.

    Raises:
        Invalid: One or more are wrong.
    """
    rows = Settings.load(place.overrides, env_file=place.env_file).explain()
    terminal = Terminal(SystemClock())
    if is_json:
        terminal.print(pydantic_core.to_json([asdict(row) for row in rows], indent=2).decode())
        return
    columns = [Column("SETTING"), Column("VALUE"), Column("FROM")]
    cells = [
        [
            Piece(row.name, "strong" if row.origin != "default" else "plain"),
            Piece(neutral(row.value) or "(not set)", "plain" if row.value else "faint"),
            Piece(neutral(row.origin), "faint" if row.origin == "default" else "good"),
        ]
        for row in rows
    ]
    terminal.show(lay_out(columns, cells, None))
