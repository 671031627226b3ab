"""The entry point: the command line, and how it gets a server when it needs one."""

from open_agent.cli.main import run
from open_agent.cli.ports import ServerBuilder


def make_servers() -> ServerBuilder:
    """What makes servers; only commands that need one pay for importing it."""
    # 0.6 s: everything there is.
    from open_agent.composition import Servers

    return Servers()


def main() -> None:
    """Run the command line."""
    run(make_servers)
