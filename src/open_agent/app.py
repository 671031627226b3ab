"""The entry point: the command line, and how it gets a server when it needs one."""

import gc

from open_agent.cli.main import run
from open_agent.cli.ports import ServerBuilder
from open_agent.server.collecting import collect_seldom


def make_servers() -> ServerBuilder:
    """What makes servers; only commands that need one pay for importing it."""
    # Nothing that is imported is garbage. Looking for it takes a sixth of the time of importing,
    # and stops a busy server for 60 ms every now and then.
    gc.disable()
    # 0.6 s: everything there is.
    from open_agent.composition.servers import Servers

    collect_seldom()
    gc.enable()
    return Servers()


def main() -> None:
    """Run the command line."""
    run(make_servers)
