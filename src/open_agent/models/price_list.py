"""The public price list, asked by the names that people and routers use for models.

The list comes with `genai-prices` and is read offline; it is not imported before somebody asks.
"""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

_VARIANTS = ("online", "nitro", "floor", "exacto", "thinking", "extended", "beta", "free")


def split_variant(model: str) -> tuple[str, str]:
    """A model's name, and what OpenRouter's users put behind it: `name:online` → name, online."""
    name, colon, variant = model.rpartition(":")
    return (name, variant) if colon and variant in _VARIANTS else (model, "")


class PriceList:
    """What is publicly known of models: prices and context windows.

    Args:
        base_url: The endpoint; its own prices come before the router's.
    """

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._found: dict[str, ModelInfo | None] = {}

    def find(self, model: str) -> "ModelInfo | None":
        """The entry of a model, with or without its variant."""
        if model not in self._found:
            name, _ = split_variant(model)
            self._found[model] = self._look_up(model) or self._look_up(name)
        return self._found[model]

    def prices(self, model: str, now: datetime) -> "ModelPrice | None":
        """What the model costs at `now`."""
        entry = self.find(model)
        return None if entry is None else entry.get_prices(now)

    def names(self) -> list[str]:
        """The models of the endpoint, by their own names; none when nobody lists the endpoint."""
        # As in `_look_up`: 150 ms.
        from genai_prices import data_snapshot

        try:
            provider = data_snapshot.get_snapshot().find_provider(None, None, self._base_url)
        except LookupError:
            return []
        # Batches are answered within a day; `~` is a name for whatever is newest.
        return [
            entry.id
            for entry in provider.models
            if not entry.id.endswith(":batch") and not entry.id.startswith("~")
        ]

    def _look_up(self, model: str) -> "ModelInfo | None":
        # 0.15 s to import, 0.02 s to read the list: not at start, and never for models of our own.
        from genai_prices import data_snapshot

        snapshot = data_snapshot.get_snapshot()
        for provider_id, url in ((None, self._base_url), ("openrouter", None), (None, None)):
            try:
                return snapshot.find_provider_model(model, None, provider_id, url)[1]
            except LookupError:
                continue
        return None
