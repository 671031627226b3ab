"""Prices: exact, rounded up, and unknown when they are unknown."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from open_agent.core.run import Usage
from open_agent.models.catalogue import Catalogue
from open_agent.models.endpoint import Endpoint, is_private_endpoint
from open_agent.models.prices import FREE, Price, PriceBook
from open_agent.models.reply import ModelRequest

OPENROUTER = "https://openrouter.ai/api/v1"


class StillClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 11, 1, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


def book(base_url: str = OPENROUTER, **overrides: Price) -> PriceBook:
    return PriceBook(base_url, StillClock(), overrides)


def test_tokens_of_every_class_have_their_own_price() -> None:
    usage = Usage(
        input_tokens=100_000, cached_tokens=90_000, cache_write_tokens=5_000, output_tokens=1_000
    )
    # 5,000 at $3, 90,000 at $0.3, 5,000 at $3.75 and 1,000 at $15 a million
    expected = 15_000 + 27_000 + 18_750 + 15_000
    assert book().cost("anthropic/claude-sonnet-4.5", usage) == expected


def test_a_price_that_rises_with_length_holds_for_all_tokens() -> None:
    below = Usage(input_tokens=200_000)
    above = Usage(input_tokens=200_001)
    prices = book()
    assert prices.cost("google/gemini-2.5-pro", below) == 250_000
    assert prices.cost("google/gemini-2.5-pro", above) == 500_003


def test_costs_are_rounded_up() -> None:
    price = Price.flat(Decimal("0.01"), Decimal("0.01"))
    assert price.cost(Usage(input_tokens=1)) == 1
    assert price.cost(Usage()) == 0


@pytest.mark.timeout(60)
@given(
    st.builds(
        Usage,
        input_tokens=st.integers(0, 400_000),
        cached_tokens=st.integers(0, 400_000),
        cache_write_tokens=st.integers(0, 400_000),
        output_tokens=st.integers(0, 20_000),
    ),
    st.integers(0, 1_000_000),
    st.sampled_from(["anthropic/claude-sonnet-4.5", "google/gemini-2.5-pro", "openai/gpt-5"]),
)
def test_no_call_costs_more_than_its_worst_case(usage: Usage, extra: int, model: str) -> None:
    prices = BOOK
    cost = prices.cost(model, usage)
    worst = prices.worst_case(model, usage.input_tokens + extra, usage.output_tokens)
    assert cost is not None
    assert worst is not None
    assert cost <= worst


BOOK = book()


@pytest.mark.parametrize("model", ["foo/bar", "openrouter/auto", "", "demo"])
def test_an_unknown_price_is_unknown(model: str) -> None:
    prices = book()
    assert (prices.cost(model, Usage()), prices.worst_case(model, 1, 1)) == (None, None)


def test_variants_and_dated_names_are_found() -> None:
    prices = book()
    base = prices.price("anthropic/claude-sonnet-4.5")
    assert base is not None
    assert prices.price("anthropic/claude-sonnet-4.5:nitro") == base
    assert prices.price("anthropic/claude-4.5-sonnet-20250929") == base
    assert prices.price("meta-llama/llama-3.3-70b-instruct:free") == FREE
    online = prices.worst_case("anthropic/claude-sonnet-4.5:online", 1_000, 0)
    assert online == 50_000 + base.worst_case(51_000, 0)


def test_a_free_variant_is_free_only_where_that_is_the_router_s_word() -> None:
    assert book("https://example.com/v1").price("foo/bar:free") is None


def test_prices_of_one_s_own_come_first() -> None:
    own = Price.flat(Decimal(1), Decimal(2))
    prices = PriceBook(OPENROUTER, StillClock(), {"openai/gpt-5": own})
    assert prices.cost("openai/gpt-5", Usage(input_tokens=10, output_tokens=10)) == 30
    assert prices.price("openai/gpt-5:nitro") == own


def test_a_private_endpoint_is_free_unless_a_price_is_set() -> None:
    own = Price.flat(Decimal(1), Decimal(2))
    prices = PriceBook("http://127.0.0.1:11434/v1", StillClock(), {"llama": own})
    assert prices.worst_case("openai/gpt-5", 10, 10) == 0
    assert prices.worst_case("llama", 10, 10) == 30


@pytest.mark.parametrize(
    ("base_url", "is_private"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://192.168.1.20:1234/v1", True),
        ("http://10.0.0.1/v1", True),
        ("http://box.local/v1", True),
        ("http://ollama:11434/v1", True),
        ("https://openrouter.ai/api/v1", False),
        ("https://8.8.8.8/v1", False),
        ("https://127.0.0.1.evil.example/v1", False),
        ("https://localhost.example.com/v1", False),
    ],
)
def test_private_endpoints_are_told_from_public_ones(base_url: str, is_private: bool) -> None:
    assert is_private_endpoint(base_url) is is_private


def test_the_body_says_to_each_endpoint_what_it_wants_to_hear() -> None:
    request = ModelRequest(b'{"messages":[]', "anthropic/claude-sonnet-4.5", 7)
    bodies = [
        b"".join(Endpoint(url).finish(request))
        for url in ("http://localhost/v1", "https://api.openai.com/v1", OPENROUTER)
    ]
    assert bodies == snapshot(
        [
            b'{"messages":[],"max_tokens":7}',
            b'{"messages":[],"max_completion_tokens":7}',
            b'{"messages":[],"max_tokens":7,"usage":{"include":true},"cache_control":{"type":"ephemeral"}}',
        ]
    )


def test_windows_end_where_tokens_become_dearer() -> None:
    catalogue = Catalogue(OPENROUTER, context_tokens=32_000, output_tokens=16_384)
    names = ["anthropic/claude-sonnet-4.5", "openai/gpt-5", "foo/bar"]
    assert {
        n: (catalogue.context_tokens(n), catalogue.output_tokens(n)) for n in names
    } == snapshot(
        {
            "anthropic/claude-sonnet-4.5": (200000, 16384),
            "openai/gpt-5": (400000, 16384),
            "foo/bar": (32000, 8000),
        }
    )


def test_a_list_that_does_not_name_both_prices_names_none() -> None:
    assert book().price("deepseek/deepseek-chat-v3.1") is not None
    assert book().price("openai/whisper-1") is None
