"""What a server says when it has started: what it uses, and what to try."""

import shlex

from open_agent import __version__
from open_agent.cli.rendering.pieces import Piece
from open_agent.core.money import show_dollars
from open_agent.settings.models import DEMO_MODEL
from open_agent.settings.settings import Settings

EXAMPLE = "Show me what you can do"
MARGIN = " " * 10
USUAL_URL = "http://127.0.0.1:3000"
"""Where the command line looks by itself, whatever its data directory."""


def welcome(
    settings: Settings, url: str, program: str = "open-agent", *, link: str | None = None
) -> list[Piece]:
    """The start-up text.

    Args:
        settings: What is in force.
        url: Where the server is.
        program: How a shell calls this command.
        link: What lets one browser in, while there are neither users nor a password.
    """
    pieces = [
        Piece("Open Agent", "strong"),
        Piece(f" {__version__} listens on "),
        Piece(url, "call"),
        Piece("\n\n"),
    ]
    for name, text in (
        ("Model", _model(settings)),
        *([("Backend", _backend(settings))] if settings.has_opencode else []),
        ("Budget", _budget(settings)),
        ("Work", f"{settings.working_dir / 'workspaces'}, for tasks that name no folder"),
        ("Data", _data(settings)),
        ("Access", _access(settings, link)),
    ):
        pieces.append(Piece(f"  {name:<8}", "strong", MARGIN))
        pieces.append(Piece(f"{text}\n"))
    examples = _examples(settings, url, program, is_open=settings.dev_mode or link is not None)
    pieces.append(Piece("\n  Try, in another terminal:\n", "strong"))
    pieces += [Piece(f"    {line}\n", "plain", None) for line in examples]
    pieces.append(
        Piece(
            "\n  Ctrl-C stops the server in good order; unfinished work goes on at the next "
            "start.\n\n",
            "faint",
        )
    )
    return pieces


def _model(settings: Settings) -> str:
    name = settings.default_model
    if name != DEMO_MODEL:
        return f"{name} at {settings.openrouter_base_url}"
    env = settings.data_dir / ".env"
    script = "demo: no model, but a script that shows real work with real tools, whatever the task."
    if settings.lacks_a_model:
        return (
            f"{script}\n{MARGIN}OPENROUTER_BASE_URL is set and DEFAULT_MODEL is not: put "
            f"DEFAULT_MODEL=… into {env}, with a model that it has, and start again."
        )
    return (
        f"{script}\n{MARGIN}For real tasks, put OPENROUTER_API_KEY=… into {env} and start again; "
        "keys are at https://openrouter.ai/keys."
    )


def _backend(settings: Settings) -> str:
    where = "started when a run needs it"
    if not settings.opencode_managed:
        where = f"at {settings.opencode_base_url}"
    if settings.backend == "opencode":
        return f"OpenCode, {where}"
    return f"native; OpenCode, {where}, for those that ask for it"


def _budget(settings: Settings) -> str:
    budget = settings.limits.budget_microdollars
    if not budget:
        return "none: a run that names no budget may spend without limit (DEFAULT_BUDGET_CENTS=0)"
    return f"{show_dollars(budget)} for a run that names none (DEFAULT_BUDGET_CENTS)"


def _data(settings: Settings) -> str:
    if settings.database_url is not None:
        return f"PostgreSQL, and {settings.data_dir}"
    return str(settings.data_dir)


def _access(settings: Settings, link: str | None) -> str:
    if settings.dev_mode:
        return "every program on this machine, without a token (DEV_MODE)"
    if link is None:
        return "users, or whoever has the password, after `POST /api/auth/login`"
    code = link.partition("code=")[2]
    return (
        f"your own programs on this machine; others with the token in {settings.data_dir / 'token'}"
        f"\n{MARGIN}A browser, once and within 15 minutes: {link}"
        f"\n{MARGIN}or with this code as the password: {code}"
    )


def _examples(settings: Settings, url: str, program: str, *, is_open: bool) -> list[str]:
    is_usual = any(row.name == "DATA_DIR" and row.origin == "default" for row in settings.explain())
    is_found = is_usual or (settings.dev_mode and url == USUAL_URL)
    folder = "" if is_found else f" --data-dir {shlex.quote(str(settings.data_dir))}"
    curl = f"curl {url}/api/task"
    if not is_open:
        token = shlex.quote(str(settings.data_dir / "token"))
        curl += f' -H "Authorization: Bearer $(cat {token})"'
    curl += f" -H 'Content-Type: application/json' -d '{{\"task\": \"{EXAMPLE}\"}}'"
    return [f'{program} run{folder} "{EXAMPLE}"', curl]
