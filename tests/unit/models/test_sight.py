"""Which models see."""

import pytest

from open_agent.models.sight import Sight


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-sonnet-4.5",
        "openai/gpt-5.1",
        "gpt-4o-mini",
        "google/gemini-2.5-pro",
        "qwen/qwen3-vl-235b-a22b-instruct",
        "qwen2.5vl:7b",
        "mistralai/pixtral-12b",
        "x-ai/grok-4:online",
    ],
)
def test_models_that_see(model: str) -> None:
    assert Sight().sees(model)


@pytest.mark.parametrize(
    "model", ["demo", "deepseek/deepseek-chat", "qwen/qwen3-coder", "claude-2.1", "o1-mini", ""]
)
def test_models_that_do_not_or_that_nobody_knows(model: str) -> None:
    assert not Sight().sees(model)


def test_a_setting_adds_to_them() -> None:
    sight = Sight(("my/model", "local-*"))
    assert sight.sees("my/model")
    assert sight.sees("provider/local-7b")
    assert not sight.sees("my/other")
