"""Which model somebody means, whatever they wrote."""

import pytest
from inline_snapshot import snapshot

from open_agent.backends.opencode.matching import match_model, near_names
from open_agent.backends.opencode.protocol.wire import ModelRef, split_model
from open_agent.core.errors import Invalid

MODELS = [
    ModelRef("anthropic", "claude-opus-4-5-20251101"),
    ModelRef("anthropic", "claude-sonnet-4-5"),
    ModelRef("openrouter", "anthropic/claude-opus-4.5"),
    ModelRef("openrouter", "anthropic/claude-sonnet-4.5"),
    ModelRef("openrouter", "openai/gpt-5"),
    ModelRef("openai", "gpt-5"),
    ModelRef("azure", "gpt-5"),
    ModelRef("local", "qwen3:8b"),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("anthropic/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        # W3: what the original's clients send.
        ("claude-opus-4-5-20251101", "anthropic/claude-opus-4-5-20251101"),
        # As the endpoint has it, without OpenCode's name of the provider.
        ("anthropic/claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("claude-sonnet-4.5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("openai/gpt-5", "openai/gpt-5"),
        ("openrouter/openai/gpt-5", "openrouter/openai/gpt-5"),
        ("qwen3:8b", "local/qwen3:8b"),
    ],
)
def test_a_model_is_found_by_its_whole_name_its_own_or_the_end_of_it(name: str, found: str) -> None:
    assert str(match_model(name, MODELS)) == found


def test_a_name_of_several_is_not_guessed() -> None:
    with pytest.raises(Invalid) as refused:
        match_model("gpt-5", MODELS)
    assert refused.value.code == "model.ambiguous"
    assert refused.value.details["near"] == ["azure/gpt-5", "openai/gpt-5"]


def test_an_unknown_one_is_refused_with_those_that_are_near() -> None:
    with pytest.raises(Invalid) as refused:
        match_model("claude-sonet-4.5", MODELS)
    assert refused.value.code == "model.unknown"
    assert refused.value.details == snapshot(
        {
            "model": "claude-sonet-4.5",
            "near": [
                "anthropic/claude-sonnet-4-5",
                "openrouter/anthropic/claude-sonnet-4.5",
                "openrouter/anthropic/claude-opus-4.5",
                "anthropic/claude-opus-4-5-20251101",
            ],
        }
    )
    assert all(name in refused.value.message for name in refused.value.details["near"])


def test_where_nothing_is_near_nothing_is_offered() -> None:
    assert near_names("zzzz", MODELS) == []
    assert near_names("anything", []) == []
    with pytest.raises(Invalid) as refused:
        match_model("anything", [])
    assert "Did you mean" not in refused.value.message


@pytest.mark.parametrize("name", ["", "/", "model", "/model", "provider/", "  "])
def test_half_a_name_is_split_into_nothing(name: str) -> None:
    assert split_model(name) is None


def test_a_name_is_split_at_its_first_slash() -> None:
    assert split_model(" openrouter/openai/gpt-5 ") == ModelRef("openrouter", "openai/gpt-5")
