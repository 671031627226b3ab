"""Money as integer micro-dollars: exact, and never rounded in the spender's favour.

One dollar is 1,000,000 micro-dollars; one cent is 10,000. Cents appear only on the wire.
"""

from decimal import ROUND_CEILING, Decimal
from typing import NewType

MicroDollars = NewType("MicroDollars", int)

MICRO_PER_CENT = 10_000
MICRO_PER_DOLLAR = 1_000_000
NOTHING = MicroDollars(0)


def from_cents(cents: int) -> MicroDollars:
    """Whole cents as micro-dollars."""
    return MicroDollars(cents * MICRO_PER_CENT)


def from_dollars(dollars: Decimal | float | str) -> MicroDollars:
    """Dollars as micro-dollars, rounded up, so that what is recorded never understates."""
    exact = Decimal(str(dollars)) * MICRO_PER_DOLLAR
    return MicroDollars(int(exact.to_integral_value(rounding=ROUND_CEILING)))


def to_cents(amount: int) -> int:
    """Micro-dollars as whole cents, rounded up."""
    return -(-amount // MICRO_PER_CENT)


def show_dollars(amount: int) -> str:
    """Micro-dollars for a person: `$0.0123`, four decimals below a dollar and two above."""
    decimals = 2 if amount >= MICRO_PER_DOLLAR else 4
    return f"${amount / MICRO_PER_DOLLAR:.{decimals}f}"
