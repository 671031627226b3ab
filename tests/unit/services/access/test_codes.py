"""One-time codes: good once, for a while, for one user."""

from open_agent.core.clock import SystemClock
from open_agent.core.ids import UserId
from open_agent.services.access.codes import LIFETIME_SECONDS, MOST_CODES, Codes

ANNA = UserId("id-of-anna")


class Hands(SystemClock):
    """A clock that is moved by hand."""

    at = 1000.0

    def monotonic(self) -> float:
        return self.at


def test_a_code_is_good_once_and_for_a_while() -> None:
    clock = Hands()
    codes = Codes(clock)
    code = codes.issue(ANNA)
    assert len(code) >= 22
    for wrong in ("", code[:-1], code + "x", code.swapcase(), "\ud800"):
        assert codes.spend(wrong) is None
    assert codes.spend(f" {code}\n") == ANNA
    assert codes.spend(code) is None
    late = codes.issue(ANNA)
    clock.at += LIFETIME_SECONDS + 1
    assert codes.spend(late) is None


def test_only_so_many_codes_are_good_at_once() -> None:
    codes = Codes(Hands())
    issued = [codes.issue(ANNA) for _ in range(MOST_CODES + 3)]
    assert [codes.spend(code) for code in issued] == [None] * 3 + [ANNA] * MOST_CODES
