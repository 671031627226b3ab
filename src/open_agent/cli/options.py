"""Options that several commands share, and what they come to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(help="Where the database, long outputs and secrets are.", show_default=False),
]
EnvFile = Annotated[
    Path | None,
    typer.Option(help="Read settings from this file, not from `.env` in the data directory."),
]
Url = Annotated[
    str | None,
    typer.Option(help="Use the server at this address, whatever runs here.", show_default=False),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help="Holds the token for the server, when it is not the one of DATA_DIR."),
]
Backend = Annotated[
    str | None,
    typer.Option(help="Who carries it out: `native` or `opencode`.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")]
TaskId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The task's or mission's id, or as much of its beginning as no other has.",
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where settings come from, and which server is meant."""

    data_dir: Path | None = None
    env_file: Path | None = None
    url: str | None = None
    token_file: Path | None = None

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings of the command line."""
        return {"data_dir": self.data_dir}
