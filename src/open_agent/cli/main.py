"""The commands: their names, options and help. What they do is in `commands/`.

Nothing heavy is imported before a command needs it, so that `--help`, `--version` and completion
answer at once.
"""

import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from open_agent import __version__
from open_agent.cli.access import add_access
from open_agent.cli.conversing import add_conversing
from open_agent.cli.exits import Exit, exit_of_error
from open_agent.cli.options import (
    Backend,
    DataDir,
    EnvFile,
    Json,
    Place,
    TaskId,
    TokenFile,
    Url,
)
from open_agent.cli.ports import Builder
from open_agent.core.clock import SystemClock
from open_agent.core.errors import OpenAgentError

EPILOG = (
    "Exit codes: 0 succeeded, 1 failed, 2 wrong usage or settings, 3 a limit was used up, "
    "4 cancelled, 5 no server answers."
)


@dataclass(slots=True)
class Invocation:
    """One call of the command line."""

    builder: Builder
    is_debugging: bool = False


def run(builder: Builder) -> NoReturn:
    """Carry out what the command line says, and exit.

    Args:
        builder: Makes servers, for the commands that need one in this process.
    """
    invocation = Invocation(builder)
    try:
        build(invocation)()
    except OpenAgentError as error:
        if invocation.is_debugging:
            traceback.print_exc()
        # 20 ms: rich.
        from open_agent.cli.terminal import Terminal

        Terminal(SystemClock()).note(f"Error: {error.message}", "bad")
        sys.exit(exit_of_error(error))
    sys.exit(Exit.SUCCEEDED)


def build(invocation: Invocation) -> typer.Typer:
    """All commands, for one invocation."""
    app = typer.Typer(
        name="open-agent",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    _add_root(app, invocation)
    _add_serving(app, invocation)
    _add_run(app, invocation)
    _add_reading(app, invocation)
    _add_following(app)
    add_conversing(app, invocation.builder)
    _add_looking_after(app)
    add_access(app, invocation.builder)
    return app


def _add_root(app: typer.Typer, invocation: Invocation) -> None:
    def show_version(is_asked: bool) -> None:
        if is_asked:
            typer.echo(f"open-agent {__version__}")
            raise typer.Exit

    @app.callback()
    def open_agent(
        version: Annotated[
            bool,
            typer.Option(
                "--version", callback=show_version, is_eager=True, help="Say which version this is."
            ),
        ] = False,
        debug: Annotated[
            bool, typer.Option("--debug", help="Show where in the program an error came from.")
        ] = False,
    ) -> None:
        """Hand over a task, watch an agent do it on your machine, lose nothing."""
        invocation.is_debugging = debug


def _add_serving(app: typer.Typer, invocation: Invocation) -> None:
    @app.command()
    def serve(
        host: Annotated[
            str | None, typer.Option(help="The address to listen on.", show_default=False)
        ] = None,
        port: Annotated[
            int | None, typer.Option(help="The port to listen on; 0 takes a free one.")
        ] = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Start the server, and stay until Ctrl-C."""
        # 300 ms: settings.
        from open_agent.cli.commands.serve import serve as serve_

        place = Place(data_dir=data_dir, env_file=env_file)
        raise typer.Exit(serve_(invocation.builder, place, host=host, port=port))


def _add_run(app: typer.Typer, invocation: Invocation) -> None:
    @app.command()
    def run(
        task: Annotated[
            str, typer.Argument(help="What is to be done; `-` reads it from standard input.")
        ],
        model: Annotated[
            str | None, typer.Option(help="The model to use.", show_default=False)
        ] = None,
        backend: Backend = None,
        dir_: Annotated[
            Path | None,
            typer.Option("--dir", help="The folder to work in; without it, the task gets its own."),
        ] = None,
        budget_cents: Annotated[
            int | None, typer.Option(min=0, help="What it may cost, in US cents; 0: no limit.")
        ] = None,
        json: Annotated[
            bool, typer.Option("--json", help="Print each event as a line of JSON.")
        ] = False,
        detach: Annotated[
            bool, typer.Option("--detach", help="Hand it over, print its id, and return.")
        ] = False,
        quiet: Annotated[
            bool, typer.Option("--quiet", "-q", help="Print the result and nothing else.")
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Hand over a task and follow it to its end.

        Without a running server, this command is one until the task has ended.

        Ctrl-C asks, and then stops the run or leaves it.
        """
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.run import Order, run_task

        order = Order(
            *(task, model, dir_, budget_cents, backend),
            is_json=json, is_detached=detach, is_quiet=quiet,
        )  # fmt: skip
        place = Place(data_dir, env_file, url, token_file)
        raise typer.Exit(run_task(invocation.builder, place, order))


def _add_reading(app: typer.Typer, invocation: Invocation) -> None:
    @app.command()
    def tasks(
        limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List tasks, newest first."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.tasks import list_tasks

        place = Place(data_dir, env_file, url, token_file)
        list_tasks(invocation.builder, place, limit=limit, is_json=json)

    @app.command()
    def show(
        task_id: TaskId,
        full: Annotated[
            bool, typer.Option("--full", help="Show long outputs whole, not folded.")
        ] = False,
        json: Annotated[
            bool, typer.Option("--json", help="Print each event as a line of JSON.")
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Show everything that happened in a task or mission."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.show import show_task

        place = Place(data_dir, env_file, url, token_file)
        show_task(invocation.builder, place, task_id, is_full=full, is_json=json)


def _add_following(app: typer.Typer) -> None:
    @app.command()
    def follow(
        task_id: TaskId,
        json: Annotated[
            bool, typer.Option("--json", help="Print each event as a line of JSON.")
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Follow a task or mission until it has nothing left to do; Ctrl-C leaves it running."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.follow import follow_task

        place = Place(data_dir, env_file, url, token_file)
        raise typer.Exit(follow_task(place, task_id, is_json=json))

    @app.command()
    def stop(
        task_id: TaskId,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Stop a task, or the run of a mission, with every process it started."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.stop import stop_task

        stop_task(Place(data_dir, env_file, url, token_file), task_id, is_json=json)


def _add_looking_after(app: typer.Typer) -> None:
    @app.command()
    def config(json: Json = False, data_dir: DataDir = None, env_file: EnvFile = None) -> None:
        """Show the settings in force and where each came from; secrets are masked."""
        # 250 ms: settings, rich.
        from open_agent.cli.commands.config import show_config

        show_config(Place(data_dir, env_file), is_json=json)

    @app.command()
    def doctor(
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Check everything that a run needs, and say how to mend what is wrong."""
        # 600 ms: settings, rich, httpx2, the store.
        from open_agent.cli.commands.doctor import examine

        raise typer.Exit(examine(Place(data_dir, env_file, url, token_file), is_json=json))

    @app.command()
    def token(
        reveal: Annotated[bool, typer.Option("--reveal", help="Print the token itself.")] = False,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Print where the token lies that lets programs call the server."""
        # 200 ms: settings.
        from open_agent.cli.commands.token import show_token

        show_token(Place(data_dir, env_file), is_revealed=reveal)
