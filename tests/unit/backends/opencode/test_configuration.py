"""What an OpenCode of our own is told."""

import json
from decimal import Decimal
from pathlib import Path

from inline_snapshot import snapshot

from open_agent.backends.opencode.servers.configuration import (
    Conduct,
    ModelSource,
    configuration,
    provider_of,
)
from open_agent.backends.opencode.servers.home import Home
from open_agent.core.clock import SystemClock
from open_agent.models.catalogue import Catalogue
from open_agent.models.prices import Price, PriceBook

NEARBY = "http://127.0.0.1:11434/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


def source(base_url: str, *named: str, default: str | None = None) -> ModelSource:
    price = Price.flat(Decimal(3), Decimal(15), Decimal("0.3"), Decimal("3.75"))
    prices = PriceBook(base_url, SystemClock(), {"my/model": price})
    return ModelSource(base_url, named, Catalogue(base_url, context_tokens=64_000), prices, default)


def test_an_endpoint_nearby_is_one_provider_with_the_models_that_settings_name() -> None:
    config = configuration(
        source(NEARBY, "my/model", "other", default="my/model"),
        Conduct(),
        key_file=Path("/data/key"),
        plugin=Path("/data/plugin.js"),
    )
    assert config == snapshot(
        {
            "$schema": "https://opencode.ai/config.json",
            "autoupdate": False,
            "share": "disabled",
            "snapshot": True,
            "plugin": ["file:///data/plugin.js"],
            "enabled_providers": ["endpoint"],
            "provider": {
                "endpoint": {
                    "npm": "@ai-sdk/openai-compatible",
                    "name": "127.0.0.1",
                    "options": {
                        "baseURL": "http://127.0.0.1:11434/v1",
                        "headerTimeout": 300000,
                        "chunkTimeout": 120000,
                        "apiKey": "{file:/data/key}",
                    },
                    "models": {
                        "my/model": {
                            "tool_call": True,
                            "limit": {"context": 64000, "output": 16000},
                            "cost": {
                                "input": 3.0,
                                "output": 15.0,
                                "cache_read": 0.3,
                                "cache_write": 3.75,
                            },
                        },
                        "other": {
                            "tool_call": True,
                            "limit": {"context": 64000, "output": 16000},
                            "cost": {
                                "input": 0.0,
                                "output": 0.0,
                                "cache_read": 0.0,
                                "cache_write": 0.0,
                            },
                        },
                    },
                }
            },
            "model": "endpoint/my/model",
            "small_model": "endpoint/my/model",
            "permission": {"*": "allow", "question": "deny"},
            "agent": {"plan": {"permission": {"edit": "deny"}}},
        }
    )


def test_one_that_is_not_permissive_asks_as_opencode_does_and_without_a_key_none_is_sent() -> None:
    config = configuration(
        source(NEARBY, "m"), Conduct(is_permissive=False), key_file=None, plugin=Path("/p.js")
    )
    assert not {"permission", "agent", "model", "small_model"} & set(config)
    assert config["provider"]["endpoint"]["options"]["apiKey"] == "none"


def test_endpoints_that_opencode_knows_are_called_by_its_name() -> None:
    assert provider_of(OPENROUTER).id == "openrouter"
    assert provider_of("https://api.openai.com/v1").id == "openai"
    assert provider_of("https://openrouter.ai.evil.example/v1").id == "endpoint"


def test_the_models_of_the_price_list_come_with_window_and_price() -> None:
    config = configuration(source(OPENROUTER), Conduct(), key_file=None, plugin=Path("/p.js"))
    models = config["provider"]["openrouter"]["models"]
    assert len(models) > 300
    assert models["anthropic/claude-sonnet-4.5"] == snapshot(
        {
            "tool_call": True,
            "limit": {"context": 200000, "output": 16384},
            "cost": {"input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75},
        }
    )
    assert not [name for name in models if name.endswith(":batch")]


def test_its_folders_hold_no_key_but_in_one_file_and_it_is_told_no_key(tmp_path: Path) -> None:
    home = Home(tmp_path / "opencode", near=("model.local",))
    outside = {"PATH": "/bin", "HOME": "/srv/a", "NO_PROXY": "corp", "HTTP_PROXY": "http://p"}
    for _ in range(2):  # again, over what is there
        home.prepare(
            source(NEARBY, "m"), Conduct(), key="sk-secret", outside=outside, ripgrep="/bin/true"
        )
    holding = [
        path.name
        for path in home.root.rglob("*")
        if path.is_file() and "sk-secret" in path.read_text("latin-1")
    ]
    assert holding == ["key"]
    assert {
        path.stat().st_mode & 0o077
        for path in home.root.rglob("*")
        if path.is_file() and not path.is_symlink()
    } == {0}
    environment = home.environment(outside, "pw")
    assert "sk-secret" not in str(environment)
    assert environment["PATH"] == f"/bin:{home.root}/bin"
    assert environment["NO_PROXY"] == "corp,localhost,127.0.0.1,::1,model.local"
    assert environment["HTTP_PROXY"] == "http://p"
    # What commands get of it: as it is outside, and the rest not at all.
    commands = json.loads(home.plugin.with_name("commands.json").read_text())
    assert {name: value for name, value in commands.items() if value is not None} == {
        "PATH": "/bin",
        "HOME": "/srv/a",
        "NO_PROXY": "corp",
    }
    left = {name: environment[name] for name in environment if name not in commands}
    assert left == {"HTTP_PROXY": "http://p"}
