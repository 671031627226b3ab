"""The settings of the model endpoint: where it is, and which models to ask for."""

from typing import Any

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings

from open_agent.settings.types import Count, ModelPrices, WebAddress, setting

DEMO_MODEL = "demo"
MODEL_WITH_A_KEY = "anthropic/claude-sonnet-4.5"
_WHOLE = "a whole number above 0"


class ModelSettings(BaseSettings):
    """Which models carry runs out, and what they cost."""

    openrouter_api_key: SecretStr | None = setting(
        None,
        "Key for the model endpoint. Without one the scripted model `demo` answers.",
        "a key from https://openrouter.ai/keys",
    )
    openrouter_base_url: WebAddress = setting(
        "https://openrouter.ai/api/v1",
        "The model endpoint: OpenRouter or any other that is OpenAI-compatible.",
        "an http or https address such as http://127.0.0.1:11434/v1",
    )
    default_model: str = setting(
        DEMO_MODEL,
        f"The model of tasks that name none. Once a key is set: `{MODEL_WITH_A_KEY}`.",
        "a model name as the endpoint knows it",
    )
    fallback_model: str | None = setting(
        None,
        "The model to go on with when the first one cannot be reached.",
        "a model name as the endpoint knows it",
    )
    max_output_tokens: Count = setting(
        16_384, "The longest reply to ask of a model, in tokens.", _WHOLE
    )
    context_window: Count | None = setting(
        None,
        "How many tokens the model can read, where the price list does not know it.",
        _WHOLE,
    )
    model_prices: ModelPrices = setting(
        {},
        "Prices that replace the built-in list, as JSON, in dollars per million tokens.",
        '{"my/model": {"input": 3, "output": 15, "cached_input": 0.3}}',
    )

    @model_validator(mode="before")
    @classmethod
    def _choose_the_model(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("openrouter_api_key") and not values.get("default_model"):
            return {**values, "default_model": MODEL_WITH_A_KEY}
        return values
