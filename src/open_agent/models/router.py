"""Every model there is, by name: the scripted ones of our own, and all others at the endpoint."""

from collections.abc import Mapping
from typing import Protocol

from open_agent.core.run import Usage
from open_agent.models.client import ModelClient


class CallPrices(Protocol):
    """What model calls may cost, and what they did."""

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        """Micro-dollars that a call cannot exceed; none when the model's price is unknown."""
        ...

    def cost(self, model: str, usage: Usage) -> int | None:
        """Micro-dollars of a call; none when the model's price is unknown."""
        ...


class ModelRouter:
    """Who answers for a model, and what it charges.

    Args:
        endpoint: Answers for every model that is not listed.
        own: Scripted models by name; they cost nothing.
        prices: Of models at the endpoint.
        is_endpoint_free: The endpoint is the user's own, and no price was set for it.
    """

    def __init__(
        self,
        endpoint: ModelClient,
        own: Mapping[str, ModelClient],
        prices: CallPrices,
        *,
        is_endpoint_free: bool,
    ) -> None:
        self._endpoint = endpoint
        self._own = dict(own)
        self._prices = prices
        self._is_endpoint_free = is_endpoint_free

    def client(self, model: str) -> ModelClient:
        """Who answers for `model`."""
        return self._own.get(model, self._endpoint)

    def is_free(self, model: str) -> bool:
        """Whether nobody charges for it."""
        return model in self._own or self._is_endpoint_free

    def worst_case(self, model: str, request_bytes: int, max_tokens: int) -> int | None:
        """Micro-dollars that a call cannot exceed; none when the model's price is unknown."""
        if self.is_free(model):
            return 0
        return self._prices.worst_case(model, request_bytes, max_tokens)

    def cost(self, model: str, usage: Usage) -> int | None:
        """Micro-dollars of a call by the price list; none when it does not know the model."""
        return 0 if self.is_free(model) else self._prices.cost(model, usage)

    async def close(self) -> None:
        """Close every connection."""
        await self._endpoint.close()
        for client in self._own.values():
            await client.close()
