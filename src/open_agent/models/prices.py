"""What calls of models cost: what they may cost at most, before, and what they did, after.

The provider's own word comes first and is not asked for here. An unknown price is said to be
unknown, never taken for nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from open_agent.core.clock import Clock
from open_agent.core.money import from_dollars
from open_agent.core.run import Usage
from open_agent.models.endpoint import Endpoint
from open_agent.models.price_list import PriceList, split_variant

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

_MILLION = 1_000_000
_SEARCH_TOKENS = 50_000
"""What `:online` may add to a request that is not in its bytes."""
_SEARCH_MICRODOLLARS = 50_000
_MAX_CACHED = 1_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars per million tokens."""

    input: int
    cached_input: int
    cache_write: int
    output: int


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs.

    Attributes:
        tiers: Rates by the number of input tokens above which they hold for all tokens, rising.
        per_call: Micro-dollars for each call, whatever it uses.
        extra_tokens: Input tokens that the provider may add by itself.
    """

    tiers: tuple[tuple[int, Rates], ...]
    per_call: int = 0
    extra_tokens: int = 0

    @classmethod
    def flat(
        cls,
        input_: Decimal,
        output: Decimal,
        cached_input: Decimal | None = None,
        cache_write: Decimal | None = None,
    ) -> "Price":
        """The same at any length; arguments are dollars per million tokens."""
        cached = input_ if cached_input is None else cached_input
        written = input_ if cache_write is None else cache_write
        values = (from_dollars(value) for value in (input_, cached, written, output))
        return cls(((0, Rates(*values)),))

    def cost(self, usage: Usage) -> int:
        """Micro-dollars of a call that used this, rounded up."""
        rates = self._rates(usage.input_tokens)
        cached = min(usage.cached_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - cached)
        plain = usage.input_tokens - cached - written
        total = (
            plain * rates.input
            + cached * rates.cached_input
            + written * rates.cache_write
            + usage.output_tokens * rates.output
        )
        return -(-total // _MILLION) + self.per_call

    def worst_case(self, request_bytes: int, max_tokens: int) -> int:
        """Micro-dollars that no call of this size exceeds: a token has at least one byte."""
        tokens = request_bytes + self.extra_tokens
        rates = self._rates(tokens)
        total = tokens * max(rates.input, rates.cache_write) + max_tokens * rates.output
        return -(-total // _MILLION) + self.per_call

    def _rates(self, input_tokens: int) -> Rates:
        reached = [rates for above, rates in self.tiers[1:] if input_tokens > above]
        return reached[-1] if reached else self.tiers[0][1]


FREE = Price(((0, Rates(0, 0, 0, 0)),))


class PriceBook:
    """The price of every model at an endpoint.

    Args:
        base_url: Of the endpoint; one on loopback or a private address charges nothing.
        clock: Some prices hold for a time of the day.
        overrides: Prices that come before all others, by the model's name.
    """

    def __init__(
        self, base_url: str, clock: Clock, overrides: Mapping[str, Price] | None = None
    ) -> None:
        self._endpoint = Endpoint(base_url)
        self._clock = clock
        self._overrides = dict(overrides or {})
        self._list = PriceList(base_url)
        self._cached: dict[tuple[str, int], Price | None] = {}

    def price(self, model: str) -> Price | None:
        """What the model costs now; none when nobody knows."""
        now = self._clock.now()
        key = (model, int(now.timestamp() // 3600))
        if key not in self._cached:
            if len(self._cached) >= _MAX_CACHED:
                self._cached.clear()
            self._cached[key] = self._find(model)
        return self._cached[key]

    def cost(self, model: str, usage: Usage) -> int | None:
        """Micro-dollars of a call, rounded up; none when the model's price is unknown."""
        price = self.price(model)
        return None if price is None else price.cost(usage)

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        """Micro-dollars that a call cannot exceed; none when the model's price is unknown."""
        price = self.price(model)
        return None if price is None else price.worst_case(request_bytes, max_tokens)

    def _find(self, model: str) -> Price | None:
        name, variant = split_variant(model)
        if model in self._overrides:
            return self._overrides[model]
        if self._endpoint.is_private and name not in self._overrides:
            return FREE
        if variant == "free" and self._endpoint.is_openrouter:
            return FREE
        price = self._overrides.get(name)
        if price is None:
            listed = self._list.prices(model, self._clock.now())
            price = None if listed is None else _from_list(listed)
        if price is not None and variant == "online":
            return Price(price.tiers, _SEARCH_MICRODOLLARS, _SEARCH_TOKENS)
        return price


def _from_list(listed: "ModelPrice") -> Price | None:
    """A listed price; none when it does not say what input and output cost."""
    values: dict[str, Any] = vars(listed)
    if values.get("input_mtok") is None or values.get("output_mtok") is None:
        return None
    starts = sorted({0, *_starts(values.values())})
    per_thousand: Any = values.get("requests_kcount") or 0
    return Price(
        tuple((start, _rates_at(values, start)) for start in starts),
        from_dollars(Decimal(_at(per_thousand, 0)) / 1000),
    )


def _starts(values: Iterable[Any]) -> Iterable[int]:
    return (tier.start for value in values for tier in getattr(value, "tiers", ()))


def _rates_at(values: Mapping[str, Any], start: int) -> Rates:
    input_ = _at(values["input_mtok"], start)
    cached = values.get("cache_read_mtok")
    written = values.get("cache_write_mtok")
    return Rates(
        input=from_dollars(input_),
        cached_input=from_dollars(input_ if cached is None else _at(cached, start)),
        cache_write=from_dollars(input_ if written is None else _at(written, start)),
        output=from_dollars(_at(values["output_mtok"], start)),
    )


def _at(value: Any, start: int) -> Decimal:
    """Dollars at a number of input tokens, of a value that may have tiers."""
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return Decimal(value)
    reached = [tier.price for tier in tiers if tier.start <= start]
    return reached[-1] if reached else value.base
