"""The commands about access: users, keys, links and hashes. What they do is in `commands/`."""

from typing import Annotated

import typer

from open_agent.cli.options import DataDir, EnvFile, Json, Place, TokenFile, Url
from open_agent.cli.ports import Builder

Username = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
IsAdmin = Annotated[bool, typer.Option("--admin", help="They may administer.")]


def add_access(app: typer.Typer, builder: Builder) -> None:
    """Add the commands to those of the program."""
    user = typer.Typer(no_args_is_help=True, help="Look after users.")
    _add_adding(user, builder)
    _add_changing(user, builder)
    _add_ending(user, builder)
    app.add_typer(user, name="user")
    key = typer.Typer(
        no_args_is_help=True, help="Look after the keys of the data directory's owner."
    )
    _add_keys(key, builder)
    app.add_typer(key, name="key")
    _add_ways_in(app)


def _add_adding(user: typer.Typer, builder: Builder) -> None:
    @user.command()
    def add(
        name: Username,
        admin: IsAdmin = False,
        adopt: Annotated[
            bool,
            typer.Option(
                "--adopt", help="They become the owner of what was done before there were users."
            ),
        ] = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Add a user; the password is asked for, or read from standard input.

        From the first user on, everybody signs in with a name.
        """
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import add_user

        place = Place(data_dir, env_file, url, token_file)
        add_user(builder, place, name, is_admin=admin, adopts=adopt)

    @user.command(name="list")
    def list_(
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List users, by name."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import list_users

        list_users(builder, Place(data_dir, env_file, url, token_file), is_json=json)


def _add_changing(user: typer.Typer, builder: Builder) -> None:
    @user.command()
    def passwd(
        name: Username,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Give a user another password; ends all of their sessions."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import change_password

        change_password(builder, Place(data_dir, env_file, url, token_file), name)

    @user.command()
    def role(
        name: Username,
        admin: Annotated[
            bool, typer.Option("--admin/--member", help="They may administer, or not.")
        ],
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Make a user an administrator, or a member again."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import change_user

        change = {"role": "admin" if admin else "member"}
        change_user(builder, Place(data_dir, env_file, url, token_file), name, change)


def _add_ending(user: typer.Typer, builder: Builder) -> None:
    @user.command()
    def disable(
        name: Username,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Keep a user out, end their sessions, and stop what they have at work."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import change_user

        place = Place(data_dir, env_file, url, token_file)
        change_user(builder, place, name, {"is_disabled": True})

    @user.command()
    def enable(
        name: Username,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Let a user in again."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import change_user

        place = Place(data_dir, env_file, url, token_file)
        change_user(builder, place, name, {"is_disabled": False})

    @user.command()
    def delete(
        name: Username,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Delete a user, their keys and MCP servers, and stop their work. Their missions stay."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.user import delete_user

        delete_user(builder, Place(data_dir, env_file, url, token_file), name)


def _add_keys(key: typer.Typer, builder: Builder) -> None:
    @key.command()
    def add(
        name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
        scope: Annotated[
            str, typer.Option(help="What it is good for: `read`, `write` or `admin`.")
        ] = "write",
        days: Annotated[
            int | None, typer.Option(min=1, help="How long it is good; until revoked if not given.")
        ] = None,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Make an API key and print it, this once."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.key import add_key

        add_key(builder, Place(data_dir, env_file, url, token_file), name, scope, days)

    @key.command(name="list")
    def list_(
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List API keys, oldest first."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.key import list_keys

        list_keys(builder, Place(data_dir, env_file, url, token_file), is_json=json)

    @key.command()
    def revoke(
        id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id.")],
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Let a key be good for nothing any more, at once."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.key import revoke_key

        revoke_key(builder, Place(data_dir, env_file, url, token_file), id_)


def _add_ways_in(app: typer.Typer) -> None:
    @app.command()
    def link(
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Print a link that lets a browser in, once and within a quarter of an hour."""
        # 400 ms: settings, rich, httpx2.
        from open_agent.cli.commands.link import print_link

        print_link(Place(data_dir, env_file, url, token_file))

    @app.command(name="hash-password")
    def hash_password() -> None:
        """Print the hash of a password, for the settings; it is asked for, or read from input."""
        # 100 ms: argon2.
        from open_agent.cli.commands.hash_password import print_hash

        print_hash()
