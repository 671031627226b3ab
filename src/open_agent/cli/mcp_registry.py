"""The commands about the MCP servers whose tools missions have. What they do is in `commands/`."""

from pathlib import Path
from typing import Annotated

import typer

from open_agent.cli.options import DataDir, EnvFile, Json, Place, TokenFile, Url
from open_agent.cli.ports import Builder


def add_mcp_registry(mcp: typer.Typer, builder: Builder) -> None:
    """Add the commands to the group `mcp`."""

    @mcp.command(name="list")
    def list_(
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List the MCP servers whose tools missions have, and how it stands with them."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.mcp_registry import list_servers

        list_servers(builder, Place(data_dir, env_file, url, token_file), is_json=json)

    @mcp.command(name="import")
    def import_(
        file: Annotated[
            Path, typer.Argument(help="A file with `mcpServers`, or the original's config.json.")
        ],
        own: Annotated[
            bool, typer.Option("--own", help="For the caller alone, not for everybody.")
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Add the MCP servers that another tool's file names. The file is left as it is."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.mcp_registry import import_servers

        place = Place(data_dir, env_file, url, token_file)
        import_servers(builder, place, file, is_own=own)
