"""Who carries runs out, and what of OpenCode's settings does not go together."""

import sys
from pathlib import Path

import pytest

from open_agent.core.errors import Invalid
from open_agent.settings.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing is set."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def wrong(**overrides: object) -> str:
    with pytest.raises(Invalid) as refused:
        Settings.load(overrides)
    assert refused.value.code == "settings.invalid"
    return refused.value.message


@pytest.mark.parametrize(
    ("given", "backend"),
    [
        ({}, "native"),
        ({"opencode_base_url": "http://127.0.0.1:4096/"}, "opencode"),
        ({"opencode_managed": "true"}, "opencode"),
        ({"opencode_managed": "yes", "agent_backend": "native"}, "native"),
        ({"opencode_managed": "no"}, "native"),
    ],
)
def test_opencode_carries_runs_out_where_it_is_set_up(given: dict[str, str], backend: str) -> None:
    assert Settings.load(given).backend == backend


def test_it_is_permissive_and_its_address_has_no_slash_at_the_end_as_the_original_has_it() -> None:
    settings = Settings.load({"opencode_base_url": "http://127.0.0.1:4096//"})
    assert settings.opencode_permissive
    assert settings.opencode_base_url == "http://127.0.0.1:4096"
    assert not Settings.load({"opencode_permissive": "off"}).opencode_permissive


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"agent_backend": "opencode"}, "there is no OpenCode"),
        (
            {"opencode_managed": "1", "opencode_base_url": "http://127.0.0.1:4096"},
            "one of the two",
        ),
        ({"opencode_program": sys.executable}, "OPENCODE_MANAGED=true"),
        ({"opencode_base_url": "http://opencode:secret@host:4096"}, "OPENCODE_SERVER_PASSWORD"),
        ({"opencode_base_url": "localhost:4096"}, "such as http://127.0.0.1:4096"),
        ({"opencode_managed": "1", "opencode_program": "/no/such/file"}, "no such file"),
        ({"opencode_managed": "1", "opencode_program": "/etc/passwd"}, "may not run it"),
        ({"agent_backend": "claude"}, "native or opencode"),
    ],
)
def test_what_does_not_go_together_is_said_at_start(given: dict[str, str], said: str) -> None:
    message = wrong(**given)
    assert said in message
    assert "secret" not in message


def test_the_password_is_shown_to_nobody_and_no_command_inherits_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENCODE_SERVER_PASSWORD", "a-password-of-24-letters")
    monkeypatch.setenv("PASS_ENVIRONMENT", "OPENCODE_SERVER_PASSWORD")
    settings = Settings.load()
    assert "password-of-24" not in str([row.value for row in settings.explain()])
    assert "OPENCODE_SERVER_PASSWORD" not in settings.child_environment


def test_it_is_known_whether_somebody_chose_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-secret")
    assert Settings.load().chosen_model is None
    assert Settings.load({"default_model": "my/model"}).chosen_model == "my/model"
