"""How often one may try."""

import pytest

from open_agent.core.clock import SystemClock
from open_agent.core.errors import LimitReached
from open_agent.services.access.throttle import MOST_ENTRIES, Throttle


class Hands(SystemClock):
    """A clock that is moved by hand."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at


def tries(throttle: Throttle, address: str, name: str, most: int = 1000) -> int:
    """How many are let through at once."""
    for count in range(most):
        refused = refusal(throttle, address, name)
        if refused is not None:
            assert refused.code == "login.throttled"
            assert refused.details["retry_after_seconds"] >= 1
            return count
    return most


def refusal(throttle: Throttle, address: str, name: str) -> LimitReached | None:
    try:
        throttle.enter(address, name)
    except LimitReached as refused:
        return refused
    return None


def test_a_name_is_tried_a_few_times_and_again_when_time_has_passed() -> None:
    clock = Hands()
    throttle = Throttle(clock)
    assert tries(throttle, "10.0.0.1", "anna") == 5
    clock.at += 12
    assert tries(throttle, "10.0.0.1", "anna") == 1
    clock.at += 3600
    assert tries(throttle, "10.0.0.1", "anna") == 5


def test_one_address_cannot_keep_trying_by_changing_the_name() -> None:
    throttle = Throttle(Hands())
    assert sum(tries(throttle, "10.0.0.1", f"name-{n}", 1) for n in range(1000)) == 100
    assert sum(tries(throttle, "10.0.0.2", f"name-{n}", 1) for n in range(10)) == 10
    sixes = [f"2001:db8::{n:x}" for n in range(1, 300)]
    assert sum(tries(throttle, address, address, 1) for address in sixes) == 100


def test_many_addresses_cannot_keep_trying_one_name_nor_keep_its_user_out() -> None:
    throttle = Throttle(Hands())
    throttle.enter("10.9.9.9", "anna")
    throttle.succeeded("10.9.9.9", "anna")
    attackers = [f"10.0.{n}.1" for n in range(200)]
    assert sum(tries(throttle, address, "anna", 1) for address in attackers) == 30
    assert tries(throttle, "10.9.9.9", "anna") == 5
    assert tries(throttle, "10.0.1.1", "ben", 3) == 3


def test_who_succeeds_is_not_counted() -> None:
    throttle = Throttle(Hands())
    for _ in range(500):
        throttle.enter("10.0.0.1", "anna")
        throttle.succeeded("10.0.0.1", "anna")


@pytest.mark.timeout(30)
def test_memory_is_bounded_whatever_is_tried() -> None:
    clock = Hands()
    throttle = Throttle(clock)
    for number in range(MOST_ENTRIES + 500):
        clock.at += 1
        throttle.enter(f"10.{number >> 16}.{(number >> 8) & 255}.{number & 255}", "x" * number)
    assert throttle.entries <= 4 * MOST_ENTRIES
