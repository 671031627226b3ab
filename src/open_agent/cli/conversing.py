"""The commands for missions: listing them, speaking to them, answering. More is in `commands/`."""

from typing import Annotated

import typer

from open_agent.cli.options import Backend, DataDir, EnvFile, Json, Place, TokenFile, Url
from open_agent.cli.ports import Builder

MissionId = Annotated[
    str,
    typer.Argument(
        metavar="MISSION",
        help="The mission's id, or as much of its beginning as no other has.",
    ),
]


def add_conversing(app: typer.Typer, builder: Builder) -> None:
    """Add the commands to those of the program."""
    _add_list(app, builder)
    _add_message(app)
    _add_answer(app)


def _add_list(app: typer.Typer, builder: Builder) -> None:
    @app.command()
    def missions(
        search: Annotated[
            str | None,
            typer.Option(help="Those in which something was said with these words."),
        ] = None,
        limit: Annotated[int, typer.Option(min=1, max=200, help="How many.")] = 20,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """List missions, the one in which something happened last first."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.missions import list_missions

        place = Place(data_dir, env_file, url, token_file)
        list_missions(builder, place, search=search, limit=limit, is_json=json)


def _add_message(app: typer.Typer) -> None:
    @app.command()
    def message(
        mission: Annotated[
            str,
            typer.Argument(
                metavar="MISSION",
                help="The mission's id, or as much of its beginning as no other has; `current` for "
                "the one that is current, `new` for another one.",
            ),
        ],
        text: Annotated[str, typer.Argument(help="What to say; `-` reads it from standard input.")],
        steer: Annotated[
            bool, typer.Option("--steer", help="Before the next model call of the run under way.")
        ] = False,
        interrupt: Annotated[
            bool, typer.Option("--interrupt", help="The run under way stops now, then this.")
        ] = False,
        backend: Backend = None,
        json: Json = False,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Say something to a mission; it is carried out after the run under way."""
        if steer and interrupt:
            raise typer.BadParameter("--steer and --interrupt exclude each other.")
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.message import Words, send_message

        place = Place(data_dir, env_file, url, token_file)
        delivery = "steer" if steer else "interrupt" if interrupt else "queue"
        send_message(place, mission, Words(text, delivery, backend), is_json=json)


def _add_answer(app: typer.Typer) -> None:
    @app.command()
    def answer(
        mission: MissionId,
        text: Annotated[
            str,
            typer.Argument(
                metavar="ANSWER",
                help="`allow` or `deny`; of a choice the id, or JSON; without it, say what is "
                "asked.",
            ),
        ] = "",
        call: Annotated[
            str | None, typer.Option(help="Which question, where several wait.")
        ] = None,
        url: Url = None,
        token_file: TokenFile = None,
        data_dir: DataDir = None,
        env_file: EnvFile = None,
    ) -> None:
        """Answer what a mission's run asks."""
        # 400 ms: settings, rich, httpx2, the events.
        from open_agent.cli.commands.answer import answer_question

        answer_question(Place(data_dir, env_file, url, token_file), mission, text, call=call)
