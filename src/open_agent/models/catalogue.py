"""What models can take and give, in tokens."""

from typing import Any

from open_agent.models.price_list import PriceList

DEFAULT_CONTEXT = 128_000
DEFAULT_OUTPUT = 16_384
_SMALLEST_OUTPUT = 1_024


class Catalogue:
    """Context windows and reply lengths by model.

    Args:
        base_url: Of the endpoint.
        context_tokens: The window of models that nobody knows.
        output_tokens: The most a reply may have, where the window has room for it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        context_tokens: int = DEFAULT_CONTEXT,
        output_tokens: int = DEFAULT_OUTPUT,
    ) -> None:
        self._list = PriceList(base_url)
        self._context_tokens = context_tokens
        self._output_tokens = output_tokens
        self._known: dict[str, int] = {}

    def context_tokens(self, model: str) -> int:
        """How much of the model's window is worth using.

        Where a longer request costs more per token, the window ends for us at that length:
        compaction is cheaper than paying double for every step that follows.
        """
        if model not in self._known:
            self._known[model] = self._find(model)
        return self._known[model]

    def output_tokens(self, model: str) -> int:
        """The most tokens one reply may have: never more than a quarter of the window."""
        return max(_SMALLEST_OUTPUT, min(self._output_tokens, self.context_tokens(model) // 4))

    def _find(self, model: str) -> int:
        entry = self._list.find(model)
        if entry is None or not entry.context_window:
            return self._context_tokens
        prices = entry.prices[0].prices if isinstance(entry.prices, list) else entry.prices
        input_price: Any = vars(prices).get("input_mtok")
        tiers = getattr(input_price, "tiers", ())
        return min([entry.context_window, *(tier.start for tier in tiers)])
