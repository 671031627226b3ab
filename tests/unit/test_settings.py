import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from open_agent.core.errors import Invalid
from open_agent.core.run import Limits
from open_agent.settings.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def wrong(**overrides: object) -> str:
    with pytest.raises(Invalid) as refused:
        Settings.load(overrides)
    assert refused.value.code == "settings.invalid"
    return refused.value.message


def origin(settings: Settings, name: str) -> str:
    return next(row.origin for row in settings.explain() if row.name == name)


def test_nothing_needs_to_be_set(home: Path) -> None:
    settings = Settings.load()
    assert (settings.host, settings.port, settings.default_model) == ("127.0.0.1", 3000, "demo")
    assert settings.is_demo
    assert not settings.dev_mode
    assert settings.data_dir == home / ".open-agent"
    assert settings.working_dir == home / "open-agent"
    assert settings.max_parallel_missions == 4
    assert settings.limits == Limits(
        steps=50, wall_seconds=6 * 3600, budget_microdollars=10_000_000
    )
    assert {row.origin for row in settings.explain()} == {"default"}
    assert list(home.iterdir()) == []


def test_a_key_chooses_a_real_model_and_a_named_model_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-secret")
    assert Settings.load().default_model == "anthropic/claude-sonnet-4.5"
    assert Settings.load({"default_model": "demo"}).is_demo


def test_the_command_line_is_stronger_than_the_environment_and_that_than_the_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = home / ".open-agent" / ".env"
    env_file.parent.mkdir()
    env_file.write_text("PORT=1\nMAX_ITERATIONS=1\n\nexport LOG_LEVEL='DEBUG'\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("MAX_ITERATIONS", "2")
    settings = Settings.load({"port": 3, "host": None})
    assert (settings.port, settings.max_iterations, settings.log_level) == (3, 2, "debug")
    assert origin(settings, "PORT") == "command line"
    assert origin(settings, "MAX_ITERATIONS") == "environment"
    assert origin(settings, "LOG_LEVEL") == f"{env_file}:4"
    assert origin(settings, "HOST") == "default"


def test_the_current_folder_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = tmp_path / "hostile clone"
    clone.mkdir()
    (clone / ".env").write_text("OPENROUTER_BASE_URL=http://evil.example/v1\nPORT=666\n")
    monkeypatch.chdir(clone)
    settings = Settings.load()
    assert settings.port == 3000
    assert settings.openrouter_base_url == "https://openrouter.ai/api/v1"


def test_a_named_file_replaces_the_one_in_the_data_dir(home: Path, tmp_path: Path) -> None:
    (home / ".open-agent").mkdir()
    (home / ".open-agent" / ".env").write_text("PORT=1\nLOG_LEVEL=error\n")
    named = tmp_path / "other.env"
    named.write_text("PORT=2\n")
    settings = Settings.load(env_file=named)
    assert (settings.port, settings.log_level) == (2, "info")


def test_folders_in_a_file_are_relative_to_that_file(tmp_path: Path) -> None:
    named = tmp_path / "here" / "my.env"
    named.parent.mkdir()
    named.write_text("DATA_DIR=data\nWORKING_DIR=../work\n")
    settings = Settings.load(env_file=named)
    assert settings.data_dir == tmp_path / "here" / "data"
    assert settings.working_dir == tmp_path / "work"


def test_an_endpoint_without_one_of_its_models_is_noticed() -> None:
    base = {"openrouter_base_url": "http://127.0.0.1:11434/v1"}
    assert Settings.load(base).lacks_a_model
    assert not Settings.load({**base, "default_model": "qwen3-coder"}).lacks_a_model
    assert not Settings.load({**base, "default_model": "demo"}).lacks_a_model
    assert not Settings.load({**base, "openrouter_api_key": "sk-or-v1"}).lacks_a_model
    assert not Settings.load().lacks_a_model


def test_of_two_lines_with_one_name_the_last_counts_and_dollars_are_only_dollars(
    tmp_path: Path,
) -> None:
    named = tmp_path / "my.env"
    named.write_text(
        "\ufeffLOG_LEVEL=error\nPORT=1\nPORT=2\nDEFAULT_MODEL=a/${HOME}\nSOMETHING_ELSE=1\n"
    )
    settings = Settings.load(env_file=named)
    assert (settings.port, settings.default_model) == (2, "a/${HOME}")
    assert settings.log_level == "error"


@pytest.mark.parametrize("blank", ["", "   "])
def test_blank_counts_as_not_set(blank: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_API_KEY", "PORT", "WORKING_DIR", "DATABASE_URL", "DATA_DIR"):
        monkeypatch.setenv(name, blank)
    settings = Settings.load()
    assert settings.openrouter_api_key is None
    assert settings.database_url is None
    assert settings.is_demo
    assert settings.data_dir == home / ".open-agent"


@pytest.mark.parametrize("word", ["1", "true", "T", "yes", "Y", "On", " true "])
def test_the_originals_words_for_yes(word: str) -> None:
    assert Settings.load({"dev_mode": word}).dev_mode


@pytest.mark.parametrize("word", ["0", "False", "f", "no", "N", "off"])
def test_the_originals_words_for_no(word: str) -> None:
    assert not Settings.load({"dev_mode": word}).dev_mode


def test_one_message_names_every_wrong_setting_where_it_came_from_and_what_is_right(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = home / ".open-agent" / ".env"
    env_file.parent.mkdir()
    env_file.write_text("LOG_LEVEL=loud\nOPENROUTER_API_KEY sk-or-v1-forgot-the-equals-sign\n")
    (tmp_path / "file").write_text("")
    given = {
        "PORT": "99999",
        "DEV_MODE": "maybe",
        "DATABASE_URL": "mysql://user:password@host/db",
        "OPENROUTER_BASE_URL": "openrouter.ai",
        "WORKING_DIR": str(tmp_path / "file"),
        "MAX_ITERATIONS": "0",
        "DEFAULT_BUDGET_CENTS": "-1",
        "MODEL_PRICES": '{"my/model": {"input": -3, "output": 1}}',
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    message = wrong(host="localhost:3000")
    for name in [*given, "HOST", "LOG_LEVEL"]:
        assert f"\n  {name}" in message, name
    assert "PORT=99999 (environment)" in message
    assert "HOST=localhost:3000 (command line)" in message
    assert f"LOG_LEVEL=loud ({env_file}:1)" in message
    assert f"{env_file}:2 cannot be understood" in message
    assert "my/model.input" in message
    assert message.startswith("11 settings are wrong:")
    assert message.count("Right would be: ") == 10
    assert "password" not in message.replace("postgresql://user:password@host/database", "")
    assert "forgot" not in message


LONG_SECRET = "0123456789abcdef" * 2
ONE_USER = '[{"username": "anna", "password": "secret of anna"}]'


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"dashboard_password": "hush"}, "JWT_SECRET is missing, which DASHBOARD_PASSWORD needs"),
        ({"open_agent_users": ONE_USER}, "JWT_SECRET is missing, which OPEN_AGENT_USERS needs"),
        ({"dev_mode": True, "host": "0.0.0.0"}, "DEV_MODE"),
        (
            {"host": "::", "jwt_secret": "x" * 31, "dashboard_password": "hush"},
            "JWT_SECRET has 31 bytes",
        ),
        ({"open_agent_users": "nonsense"}, "OPEN_AGENT_USERS (command line) is wrong"),
        ({"open_agent_users": '[{"username": " ", "password": "hush"}]'}, "no name"),
        ({"open_agent_users": '[{"username": "anna", "password": " "}]'}, "no password"),
        ({"open_agent_users": '[{"username": "anna"}]'}, "0.password"),
        (
            {
                "open_agent_users": '[{"username": "a", "password": "hush"},'
                ' {"username": "b", "id": "a", "password": "hush"}]'
            },
            "same name or id",
        ),
        ({"jwt_ttl_days": 0}, "JWT_TTL_DAYS"),
        ({"host": "two words"}, "HOST"),
        ({"allowed_origins": "*"}, "ALLOWED_ORIGINS"),
        ({"allowed_origins": "http://a.test/path"}, "ALLOWED_ORIGINS"),
        ({"allowed_origins": "null"}, "ALLOWED_ORIGINS"),
        ({"allowed_hosts": "*.a.test"}, "ALLOWED_HOSTS"),
    ],
)
def test_what_would_let_strangers_in_is_refused(given: dict[str, Any], named: str) -> None:
    message = wrong(**given)
    assert named in message
    assert "hush" not in message
    assert "secret of anna" not in message


def test_users_and_a_password_are_trimmed_and_never_shown() -> None:
    settings = Settings.load(
        {
            "open_agent_users": '[{"username": " anna ", "password": " pässword ", "more": 1},'
            ' {"id": "u2", "username": "ben", "password": "$argon2id$x", "role": "admin"}]',
            "jwt_secret": LONG_SECRET,
            "allowed_origins": "http://LOCALHOST:3001/, https://a.test",
            "allowed_hosts": "Agent.Example",
        }
    )
    anna, ben = settings.open_agent_users
    assert (anna.id, anna.username, anna.role) == ("anna", "anna", "member")
    assert anna.password.get_secret_value() == "pässword"
    assert (ben.id, ben.role) == ("u2", "admin")
    assert settings.allowed_origins == ("http://localhost:3001", "https://a.test")
    assert settings.allowed_hosts == ("agent.example",)
    shown = {row.name: row.value for row in settings.explain()}
    assert shown["OPEN_AGENT_USERS"] == "anna:****,ben:****"
    assert "pässword" not in repr(settings)
    (warning,) = settings.warnings
    assert "(anna)" in warning
    assert "pässword" not in warning


def test_a_short_secret_is_warned_about_on_this_machine() -> None:
    settings = Settings.load({"jwt_secret": "short", "dashboard_password": "hush"})
    (warning,) = settings.warnings
    assert "5 bytes" in warning


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_this_machine_may_listen_to_itself(host: str) -> None:
    assert Settings.load({"host": host}).host == host.strip("[]")


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        Settings.load(env_file=tmp_path / "none.env")
    assert str(tmp_path / "none.env") in refused.value.message


def test_a_file_cannot_move_the_folder_it_was_found_in(home: Path) -> None:
    (home / ".open-agent").mkdir()
    (home / ".open-agent" / ".env").write_text("DATA_DIR=/tmp/elsewhere\n")
    assert "DATA_DIR" in wrong()


def test_a_setting_that_does_not_exist_is_refused() -> None:
    assert "no such setting" in wrong(prot=3000)


def test_secrets_are_shown_nowhere() -> None:
    secrets = {
        "openrouter_api_key": "sk-or-v1-0123456789abcdef",
        "tavily_api_key": "tvly-short",
        "database_url": "postgresql://me:opensesame@db/agent",
    }
    settings = Settings.load(secrets)
    shown = repr(settings) + str(settings) + repr(settings.explain())
    for part in ("0123456789", "tvly", "opensesame"):
        assert part not in shown
    rows = {row.name: row.value for row in settings.explain()}
    assert rows["OPENROUTER_API_KEY"] == "****cdef"
    assert rows["TAVILY_API_KEY"] == "****"
    assert rows["DATABASE_URL"] == "postgresql://me:****@db/agent"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me@/agent?host=/run/pg", "postgresql://me@/agent?host=/run/pg"),
        ("postgres://me:p@ss@db:5432/agent", "postgres://me:****@db:5432/agent"),
        ("postgresql://db/agent?password=x&user=me", "postgresql://db/agent?password=****&user=me"),
    ],
)
def test_of_a_database_all_but_the_password_is_shown(url: str, shown: str) -> None:
    rows = {row.name: row.value for row in Settings.load({"database_url": url}).explain()}
    assert rows["DATABASE_URL"] == shown


def test_prices_are_json_in_dollars_per_million_tokens() -> None:
    given = {"model_prices": '{"my/model": {"input": 3, "output": 15, "cached_input": 0.3}}'}
    settings = Settings.load(given)
    price = settings.model_prices["my/model"]
    assert (str(price.input), str(price.output), str(price.cached_input)) == ("3", "15", "0.3")
    assert "my/model" in next(r.value for r in settings.explain() if r.name == "MODEL_PRICES")
    assert "MODEL_PRICES" in wrong(model_prices="{")


def test_commands_do_not_inherit_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "PATH": "/usr/bin",
        "LC_ALL": "C.UTF-8",
        "OPENROUTER_API_KEY": "sk-secret",
        "DATABASE_URL": "postgresql://me:secret@db/agent",
        "GH_TOKEN": "for commands",
        "AWS_SECRET_ACCESS_KEY": "not for commands",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    passed = Settings.load({"pass_environment": "GH_TOKEN, OPENROUTER_API_KEY"}).child_environment
    assert passed["PATH"] == "/usr/bin"
    assert passed["LC_ALL"] == "C.UTF-8"
    assert passed["GH_TOKEN"] == "for commands"
    assert passed["HOME"] == os.environ["HOME"]
    assert not any("secret" in value for value in passed.values())
    assert "AWS_SECRET_ACCESS_KEY" not in passed


def test_settings_are_found_without_a_home() -> None:
    """Containers and services start with `HOME` unset, blank or `/`."""
    program = "from open_agent.settings.settings import Settings; print(Settings.load().data_dir)"
    answers = {
        subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in ({}, {"HOME": ""}, {"HOME": "/"})
    }
    assert answers == {f"{pwd.getpwuid(os.getuid()).pw_dir}/.open-agent\n"}


def test_what_is_no_regular_file_is_refused_at_once(home: Path) -> None:
    place = home / ".open-agent" / ".env"
    place.parent.mkdir()
    os.mkfifo(place)
    assert f"{place} cannot be read (it is not a regular file)" in wrong()
    place.unlink()
    place.mkdir()
    assert f"{place} cannot be read" in wrong()
    for device in (Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(Invalid, match="it is not a regular file"):
            Settings.load(env_file=device)


def test_a_file_of_settings_has_a_bounded_size(tmp_path: Path) -> None:
    large = tmp_path / "large.env"
    with large.open("wb") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(Invalid, match="it is larger than 1 MB"):
        Settings.load(env_file=large)


def test_commands_see_no_secret_of_access_even_if_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {
        "JWT_SECRET": LONG_SECRET,
        "DASHBOARD_PASSWORD": "canary of the password",
        "OPEN_AGENT_USERS": ONE_USER,
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load({"pass_environment": ",".join(secrets)})
    assert not set(secrets.values()) & set(settings.child_environment.values())
    assert not set(secrets) & set(settings.child_environment)


def test_rules_of_approval_are_shown_as_they_are_written() -> None:
    rules = '[{"action":"ask","command":"git push*"},{"action":"deny","effect":"network"}]'
    settings = Settings.load({"approvals": rules})
    rows = {row.name: row.value for row in settings.explain()}
    assert rows["APPROVALS"] == rules
    assert {row.name: row.value for row in Settings.load().explain()}["APPROVALS"] == ""
