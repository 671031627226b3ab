"""What a server says when it has started: what it uses, and what to try."""

import shlex

from open_agent import __version__
from open_agent.cli.rendering.pieces import Piece
from open_agent.core.money import show_dollars
from open_agent.settings import DEMO_MODEL, Settings

EXAMPLE = "Show me what you can do"


def welcome(settings: Settings, url: str) -> list[Piece]:
    """The start-up text."""
    pieces = [
        Piece("Open Agent", "strong"),
        Piece(f" {__version__} listens on "),
        Piece(url, "call"),
        Piece("\n\n"),
    ]
    for name, lines in (
        ("Model", _model(settings)),
        ("Budget", [_budget(settings)]),
        ("Work", [f"{settings.working_dir / 'workspaces'}, for tasks that name no folder"]),
        ("Data", [_data(settings)]),
        ("Access", [_access(settings)]),
    ):
        pieces.append(Piece(f"  {name:<8}", "strong"))
        pieces.append(Piece(f"\n{' ' * 10}".join(lines) + "\n"))
    pieces.append(Piece("\n  Try, in another terminal:\n", "strong"))
    pieces += [Piece(f"    {line}\n") for line in _examples(settings, url)]
    pieces.append(
        Piece(
            "\n  Ctrl-C stops the server in good order; unfinished work goes on at the next "
            "start.\n\n",
            "faint",
        )
    )
    return pieces


def _model(settings: Settings) -> list[str]:
    name = settings.default_model
    if name == DEMO_MODEL:
        return [
            "demo: no model, but a script that shows real work with real tools, whatever the task.",
            f"For real tasks, put OPENROUTER_API_KEY=… into {settings.data_dir / '.env'} and start",
            "again; keys are at https://openrouter.ai/keys.",
        ]
    return [f"{name} at {settings.openrouter_base_url}"]


def _budget(settings: Settings) -> str:
    budget = settings.limits.budget_microdollars
    if not budget:
        return "none: a run that names no budget may spend without limit (DEFAULT_BUDGET_CENTS=0)"
    return f"{show_dollars(budget)} for a run that names none (DEFAULT_BUDGET_CENTS)"


def _data(settings: Settings) -> str:
    if settings.database_url is not None:
        return f"PostgreSQL, and {settings.data_dir}"
    return str(settings.data_dir)


def _access(settings: Settings) -> str:
    if settings.dev_mode:
        return "every program on this machine, without a token (DEV_MODE)"
    return f"with the token in {settings.data_dir / 'token'}"


def _examples(settings: Settings, url: str) -> list[str]:
    is_usual = any(row.name == "DATA_DIR" and row.origin == "default" for row in settings.explain())
    folder = "" if is_usual else f" --data-dir {shlex.quote(str(settings.data_dir))}"
    curl = f"curl {url}/api/task"
    if not settings.dev_mode:
        token = shlex.quote(str(settings.data_dir / "token"))
        curl += f' -H "Authorization: Bearer $(cat {token})"'
    curl += f" -H 'Content-Type: application/json' -d '{{\"task\": \"{EXAMPLE}\"}}'"
    return [f'open-agent run{folder} "{EXAMPLE}"', curl]
