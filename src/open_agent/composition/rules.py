"""What settings say of models and of calls, as the values that runs on any backend go by."""

from open_agent.agent.policy import Policy
from open_agent.core.clock import Clock
from open_agent.models.catalogue import Catalogue
from open_agent.models.prices import Price, PriceBook
from open_agent.settings.settings import Settings


def make_prices(settings: Settings, clock: Clock) -> PriceBook:
    """What models cost."""
    overrides = {
        name: Price.flat(price.input, price.output, price.cached_input, price.cache_write)
        for name, price in settings.model_prices.items()
    }
    return PriceBook(settings.openrouter_base_url, clock, overrides)


def make_windows(settings: Settings) -> Catalogue:
    """How much models take and give."""
    return Catalogue(
        settings.openrouter_base_url,
        output_tokens=settings.max_output_tokens,
        **({"context_tokens": settings.context_window} if settings.context_window else {}),
    )


def make_policy(settings: Settings) -> Policy:
    """Which calls are allowed, asked about or denied."""
    return Policy.of(rule.model_dump() for rule in settings.approvals)
