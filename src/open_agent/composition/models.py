"""The models there are, and what they cost."""

import httpx2

from open_agent.composition.rules import make_prices
from open_agent.core.clock import Clock
from open_agent.models.client import ModelClient
from open_agent.models.endpoint import is_private_endpoint
from open_agent.models.router import ModelRouter
from open_agent.scripted.demo import demo
from open_agent.scripted.model import ScriptedModel
from open_agent.scripted.transport import ScriptedTransport
from open_agent.settings.models import DEMO_MODEL
from open_agent.settings.settings import Settings


def make_models(settings: Settings, clock: Clock) -> ModelRouter:
    """Every model there is, by name."""
    base_url = settings.openrouter_base_url
    key = settings.openrouter_api_key
    script = ScriptedModel(demo(), models=(DEMO_MODEL,), remember=0)
    scripted = httpx2.AsyncClient(transport=ScriptedTransport(script))
    return ModelRouter(
        ModelClient(base_url, key.get_secret_value() if key else None, clock),
        {DEMO_MODEL: ModelClient("http://demo.invalid/v1", None, clock, http=scripted)},
        make_prices(settings, clock),
        is_endpoint_free=is_private_endpoint(base_url) and not settings.model_prices,
    )
