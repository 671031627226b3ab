"""`open-agent serve`: the server, until somebody ends it."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from open_agent.cli.finding import announcing
from open_agent.cli.options import Place
from open_agent.cli.ports import Builder
from open_agent.cli.rendering.welcome import welcome
from open_agent.cli.terminal import Terminal
from open_agent.core.clock import SystemClock
from open_agent.settings.settings import Settings

NAME = "open-agent"


def serve(builder: Builder, place: Place, *, host: str | None, port: int | None) -> int:
    """Serve until a signal comes; returns the exit code.

    Raises:
        OpenAgentError: A setting is wrong, or the server cannot start.
    """
    overrides = {**place.overrides, "host": host, "port": port}
    settings = Settings.load(overrides, env_file=place.env_file)
    terminal = Terminal(SystemClock())
    if terminal.is_interactive:
        terminal.note("Starting…")
    with announcing(settings.data_dir, is_lasting=True) as announcer:

        def on_ready(url: str, link: str | None, warnings: Sequence[str]) -> None:
            announcer.write(url)
            terminal.show(welcome(settings, url, _program(settings), link=link))
            for warning in [*settings.warnings, *warnings]:
                terminal.note(warning, "warn")

        def on_stopping() -> None:
            terminal.note(
                "Stopping: what is in hand is brought to a good point first. Ctrl-C again ends at "
                "once; nothing is lost either way.",
                "plain",
            )

        def on_cut() -> None:
            terminal.note(
                "Stopped at once: work was cut off, and goes on at the next start.", "plain"
            )

        return builder().serve(settings, on_ready=on_ready, on_stopping=on_stopping, on_cut=on_cut)


def _program(settings: Settings) -> str:
    """This command as another terminal can call it."""
    ours = Path(sys.argv[0]).absolute()
    found = shutil.which(ours.name, path=settings.child_environment.get("PATH"))
    if ours.name != NAME or (found is not None and Path(found).resolve() == ours.resolve()):
        return NAME
    return shlex.quote(str(ours))
