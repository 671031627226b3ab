"""The commands about workspaces. What they do is in `commands/workspaces.py`."""

from pathlib import Path
from typing import Annotated

import typer

from open_agent.cli.options import DataDir, EnvFile, Json, Place, TokenFile, Url
from open_agent.cli.ports import Builder

WorkspaceId = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The workspace's id, or that of a mission in it, or as much of its beginning as no "
        "other has.",
    ),
]
Clone = Annotated[
    str | None, typer.Option(help="Clone this repository, and work there.", metavar="URL")
]
Worktree = Annotated[
    Path | None,
    typer.Option(
        help="Make a worktree of this repository, on a new branch, and work there.", metavar="REPO"
    ),
]
Ref = Annotated[
    str | None, typer.Option(help="Where clone or worktree begin: a branch, a tag or a commit.")
]
Branch = Annotated[str | None, typer.Option(help="The name of the worktree's new branch.")]
Depth = Annotated[
    int | None, typer.Option(min=1, help="Clone only so many commits of the history.")
]


def add_workspaces(app: typer.Typer, builder: Builder) -> None:
    """Add the commands to those of the program."""
    workspaces = typer.Typer(help="Look after what missions work in; without a command, list it.")
    _add_list(workspaces, builder)
    _add_looking(workspaces, builder)
    _add_making(workspaces)
    _add_ending(workspaces)
    app.add_typer(workspaces, name="workspaces")


def _add_list(workspaces: typer.Typer, builder: Builder) -> None:
    @workspaces.callback(invoke_without_command=True)
    def list_(
        ctx: typer.Context,
        limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List workspaces, newest first; or look after one."""
        if ctx.invoked_subcommand is not None:
            return
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import list_workspaces

        place = Place(data_dir, env_file, url, token_file)
        list_workspaces(builder, place, limit=limit, is_json=json)


def _add_looking(workspaces: typer.Typer, builder: Builder) -> None:
    @workspaces.command()
    def show(
        workspace_id: WorkspaceId,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Show a workspace: where it comes from, and what was done in it."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import show_workspace

        place = Place(data_dir, env_file, url, token_file)
        show_workspace(builder, place, workspace_id, is_json=json)

    @workspaces.command()
    def diff(
        workspace_id: WorkspaceId,
        stat: Annotated[
            bool, typer.Option("--stat", help="Only which files, and how much.")
        ] = False,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Show all that was changed since a clone or worktree began, committed or not."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import show_diff

        place = Place(data_dir, env_file, url, token_file)
        show_diff(builder, place, workspace_id, is_stat=stat, is_json=json)


def _add_making(workspaces: typer.Typer) -> None:
    @workspaces.command()
    def make(
        clone: Clone = None,
        worktree: Worktree = None,
        ref: Ref = None,
        branch: Branch = None,
        depth: Depth = None,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Make a clone or a worktree for missions to come; it is kept until it is removed."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import Wanted, make_workspace

        wanted = Wanted(clone, worktree, ref, branch, depth)
        make_workspace(Place(data_dir, env_file, url, token_file), wanted, is_json=json)

    @workspaces.command()
    def merge(
        workspace_id: WorkspaceId,
        into: Annotated[
            str | None, typer.Option(help="Another branch than the one it began at.")
        ] = None,
        message: Annotated[
            str | None, typer.Option("--message", "-m", help="Of the commit, if there is one.")
        ] = None,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Merge what is committed in a worktree into the branch at which it began."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import merge_workspace

        place = Place(data_dir, env_file, url, token_file)
        merge_workspace(place, workspace_id, into, message, is_json=json)


def _add_ending(workspaces: typer.Typer) -> None:
    @workspaces.command()
    def remove(
        workspace_id: WorkspaceId,
        force: Annotated[
            bool,
            typer.Option("--force", help="Throw away what is not committed, or nowhere else."),
        ] = False,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Remove a workspace in which nobody works."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import remove_workspace

        place = Place(data_dir, env_file, url, token_file)
        remove_workspace(place, workspace_id, is_forced=force, is_json=json)

    @workspaces.command()
    def keep(
        workspace_id: WorkspaceId,
        undo: Annotated[
            bool, typer.Option("--undo", help="Let it go with its last mission again.")
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Let a workspace stay when its missions are deleted."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.workspaces import keep_workspace

        place = Place(data_dir, env_file, url, token_file)
        keep_workspace(place, workspace_id, is_kept=not undo)
