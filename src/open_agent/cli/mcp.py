"""The commands about MCP. What they do is in `commands/`."""

import gc

import typer

from open_agent.cli.mcp_registry import add_mcp_registry
from open_agent.cli.options import DataDir, EnvFile, Place
from open_agent.cli.ports import Builder


def add_mcp(app: typer.Typer, builder: Builder) -> None:
    """Add the commands to those of the program."""
    mcp = typer.Typer(no_args_is_help=True, help="Look after MCP servers, or be one.")
    add_mcp_registry(mcp, builder)

    @mcp.command()
    def host(data_dir: DataDir = None, env_file: EnvFile = None) -> None:
        """Serve the tools that runs have: files, commands, searches, git, the web.

        They work in OPEN_AGENT_WORKSPACE, or in the current folder.
        """
        # Nothing that is imported is garbage; looking for it takes a sixth of the time.
        gc.disable()
        # 700 ms: settings, the tools, the MCP SDK.
        from open_agent.cli.commands.mcp import serve_host

        gc.enable()
        serve_host(Place(data_dir, env_file))

    @mcp.command()
    def desktop(data_dir: DataDir = None, env_file: EnvFile = None) -> None:
        """Serve tools that use screens nobody sits at: start one, look, type, click.

        Screenshots go to `screenshots/` in OPEN_AGENT_WORKSPACE, or in the current folder.
        """
        gc.disable()
        # 600 ms: settings, the MCP SDK.
        from open_agent.cli.commands.mcp import serve_desktop

        gc.enable()
        serve_desktop(Place(data_dir, env_file))

    app.add_typer(mcp, name="mcp")
