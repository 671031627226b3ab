from datetime import UTC, datetime, timedelta

import pytest

from open_agent.cli.rendering.facts import age, amount, cost, count, duration, size, tokens
from open_agent.core.run import Usage


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.0031, "3 ms"),
        (2.345, "2.3 s"),
        (9.99, "10 s"),
        (59.4, "59 s"),
        (64, "1 m 04 s"),
        (3599.6, "1 h 00 m"),
        (7380, "2 h 03 m"),
        (86400 * 5, "5 d"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ages_have_one_unit() -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    ages = [timedelta(seconds=59), timedelta(minutes=5), timedelta(hours=30), timedelta(days=9)]
    assert [age(now - span, now) for span in ages] == ["now", "5 m", "1 d", "9 d"]


def test_numbers_read_well() -> None:
    assert [amount(n) for n in (950, 12_345, 1_200_000)] == ["950", "12.3k", "1.2M"]
    assert [size(n) for n in (1, 950, 12_000, 1_200_000, 3_400_000_000)] == [
        "1 byte",
        "950 bytes",
        "12 KB",
        "1.2 MB",
        "3.4 GB",
    ]
    assert [count(n, "step") for n in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]
    usage = Usage(input_tokens=12_345, cached_tokens=8000, output_tokens=10)
    assert tokens(usage) == "12.3k tokens in (8.0k cached), 10 out"


def test_a_cost_says_what_nobody_knows() -> None:
    assert cost(12_300, ["reported", "priced"]) == "$0.0123"
    assert cost(12_300, ["reported", "unknown"]) == "at least $0.0123"
    assert cost(0, ["unknown"]) == "cost unknown"
    assert cost(0, ["free"]) == "free"
    assert cost(0, ["reported"]) == "free"
