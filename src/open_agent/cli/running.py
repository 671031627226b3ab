"""The command that hands over a task. What it does is in `commands/run.py`."""

from pathlib import Path
from typing import Annotated

import typer

from open_agent.cli.options import Backend, DataDir, EnvFile, Place, TokenFile, Url
from open_agent.cli.ports import Builder
from open_agent.cli.workspaces import Branch, Clone, Depth, Ref, Worktree

Task = Annotated[str, typer.Argument(help="What is to be done; `-` reads it from standard input.")]
Model = Annotated[str | None, typer.Option(help="The model to use.", show_default=False)]
Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="The folder to work in; without it, the task gets its own."),
]
Workspace = Annotated[
    str | None, typer.Option(help="Work in a clone or worktree that there is.", metavar="ID")
]
Budget = Annotated[
    int | None, typer.Option(min=0, help="What it may cost, in US cents; 0: no limit.")
]
AsEvents = Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")]
Detach = Annotated[bool, typer.Option("--detach", help="Hand it over, print its id, and return.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and nothing else.")]


def add_run(app: typer.Typer, builder: Builder) -> None:
    """Add the command to those of the program."""

    @app.command()
    def run(
        task: Task,
        model: Model = None,
        backend: Backend = None,
        dir_: Folder = None,
        clone: Clone = None,
        worktree: Worktree = None,
        ref: Ref = None,
        branch: Branch = None,
        depth: Depth = None,
        workspace: Workspace = None,
        budget_cents: Budget = None,
        json: AsEvents = False,
        detach: Detach = False,
        quiet: Quiet = False,
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
        from open_agent.cli.commands.run import Order, Wanted, run_task

        wanted = Wanted(clone, worktree, ref, branch, depth, workspace)
        how = {"is_json": json, "is_detached": detach, "is_quiet": quiet}
        order = Order(task, model, dir_, budget_cents, wanted, backend, **how)
        place = Place(data_dir, env_file, url, token_file)
        raise typer.Exit(run_task(builder, place, order))
