from pathlib import Path

from inline_snapshot import snapshot

from open_agent import __version__
from open_agent.cli.rendering.pieces import plain
from open_agent.cli.rendering.welcome import welcome
from open_agent.settings.settings import Settings

URL = "http://127.0.0.1:3000"


def text(**values: object) -> str:
    places = {"data_dir": "/srv/data dir", "working_dir": "/srv/work"}
    shown = plain(welcome(Settings.model_validate({**places, **values}), URL))
    return shown.replace(__version__, "<version>")


def test_without_a_key_it_says_what_the_demo_is_and_how_to_set_a_key() -> None:
    assert text() == snapshot("""\
Open Agent <version> listens on http://127.0.0.1:3000

  Model   demo: no model, but a script that shows real work with real tools, whatever the task.
          For real tasks, put OPENROUTER_API_KEY=… into /srv/data dir/.env and start again; keys are at https://openrouter.ai/keys.
  Budget  $10.00 for a run that names none (DEFAULT_BUDGET_CENTS)
  Work    /srv/work/workspaces, for tasks that name no folder
  Data    /srv/data dir
  Access  users, or whoever has the password, after `POST /api/auth/login`

  Try, in another terminal:
    open-agent run "Show me what you can do"
    curl http://127.0.0.1:3000/api/task -H "Authorization: Bearer $(cat '/srv/data dir/token')" -H 'Content-Type: application/json' -d '{"task": "Show me what you can do"}'

  Ctrl-C stops the server in good order; unfinished work goes on at the next start.

""")


def test_without_users_it_says_who_gets_in_and_how_a_browser_does() -> None:
    settings = Settings.model_validate({"data_dir": "/srv/data", "working_dir": "/srv/work"})
    shown = plain(welcome(settings, URL, link=f"{URL}/link?code=C0de"))
    access = shown[shown.index("  Access") : shown.index("  Ctrl-C")]
    assert access == snapshot("""\
  Access  your own programs on this machine; others with the token in /srv/data/token
          A browser, once and within 15 minutes: http://127.0.0.1:3000/link?code=C0de
          or with this code as the password: C0de

  Try, in another terminal:
    open-agent run "Show me what you can do"
    curl http://127.0.0.1:3000/api/task -H 'Content-Type: application/json' -d '{"task": "Show me what you can do"}'

""")


def test_with_a_key_it_names_the_model() -> None:
    shown = text(openrouter_api_key="sk-or-secret-secret", dev_mode=True, default_budget_cents=0)
    assert "sk-or" not in shown
    assert shown == snapshot("""\
Open Agent <version> listens on http://127.0.0.1:3000

  Model   anthropic/claude-sonnet-4.5 at https://openrouter.ai/api/v1
  Budget  none: a run that names no budget may spend without limit (DEFAULT_BUDGET_CENTS=0)
  Work    /srv/work/workspaces, for tasks that name no folder
  Data    /srv/data dir
  Access  every program on this machine, without a token (DEV_MODE)

  Try, in another terminal:
    open-agent run "Show me what you can do"
    curl http://127.0.0.1:3000/api/task -H 'Content-Type: application/json' -d '{"task": "Show me what you can do"}'

  Ctrl-C stops the server in good order; unfinished work goes on at the next start.

""")


def test_the_command_is_written_as_another_terminal_finds_it(tmp_path: Path) -> None:
    assert "--data-dir '/srv/data dir'" not in text()
    settings = Settings.load({"data_dir": tmp_path})
    assert f"open-agent run --data-dir {tmp_path}" in plain(welcome(settings, URL))
    # In DEV_MODE, whoever looks at the usual address needs to know nothing more.
    known = Settings.load({"data_dir": tmp_path, "dev_mode": True})
    assert '    /oa/bin/open-agent run "Show' in plain(welcome(known, URL, "/oa/bin/open-agent"))
    moved = plain(welcome(known, "http://127.0.0.1:3001"))
    assert f"open-agent run --data-dir {tmp_path}" in moved


def test_an_endpoint_without_a_model_is_said_to_lack_one(tmp_path: Path) -> None:
    base = "http://127.0.0.1:11434/v1"
    settings = Settings.load({"data_dir": tmp_path, "openrouter_base_url": base})
    assert f"put DEFAULT_MODEL=… into {tmp_path}/.env" in plain(welcome(settings, URL))


def test_it_says_who_carries_runs_out_where_there_is_a_choice() -> None:
    managed = text(opencode_managed=True)
    assert "  Backend OpenCode, started when a run needs it\n" in managed
    attached = text(opencode_base_url="http://127.0.0.1:4096", agent_backend="native")
    assert (
        "  Backend native; OpenCode, at http://127.0.0.1:4096, for those that ask for it\n"
        in attached
    )
    assert "Backend" not in text()
