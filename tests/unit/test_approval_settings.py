"""Rules of approval as an operator writes them."""

import pytest

from open_agent.core.errors import Invalid
from open_agent.settings.settings import Settings
from open_agent.settings.types import ApprovalRule


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("WORKING_DIR", str(tmp_path_factory.mktemp("work")))
    monkeypatch.delenv("APPROVALS", raising=False)


def test_rules_are_read_in_their_order_and_shown(monkeypatch: pytest.MonkeyPatch):
    text = '[{"action": "ask", "command": "git push*"}, {"action": "deny", "effect": "network"}]'
    monkeypatch.setenv("APPROVALS", text)
    settings = Settings.load()
    assert settings.approvals == (
        ApprovalRule(action="ask", command="git push*"),
        ApprovalRule(action="deny", effect="network"),
    )
    [row] = [row for row in settings.explain() if row.name == "APPROVALS"]
    assert row.value == (
        '[{"action":"ask","command":"git push*"},{"action":"deny","effect":"network"}]'
    )


def test_without_rules_there_are_none():
    assert Settings.load().approvals == ()


@pytest.mark.parametrize(
    "text",
    [
        "deny everything",
        '{"action": "deny"}',
        '[{"action": "forbid"}]',
        '[{"tool": "run_command"}]',
        '[{"action": "deny", "efect": "read"}]',
        '[{"action": "deny", "effect": "reading"}]',
        '[{"action": "deny", "command": ""}]',
    ],
)
def test_rules_that_would_not_do_what_was_meant_are_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
):
    monkeypatch.setenv("APPROVALS", text)
    with pytest.raises(Invalid) as refused:
        Settings.load()
    assert "APPROVALS" in str(refused.value)
