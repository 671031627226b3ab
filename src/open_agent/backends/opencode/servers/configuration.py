"""What an OpenCode server of our own is told: its configuration, by environment alone.

Above: `home.py` writes it where only OpenCode reads it. Nothing of a user's, neither their
`opencode.json` nor a file in a project, is written or read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from open_agent.backends.opencode.protocol.parts import Json
from open_agent.backends.opencode.protocol.wire import ModelRef
from open_agent.models.catalogue import Catalogue
from open_agent.models.deadlines import Deadlines
from open_agent.models.endpoint import Endpoint
from open_agent.models.price_list import PriceList
from open_agent.models.prices import PriceBook

PLUGIN_VERSION = "1.18.33"
"""What the seeded lock file names, so that OpenCode does not fetch 63 MB for types we do not use."""
ALLOW_ALL = {"*": "allow", "question": "deny"}
"""A question nobody answers would wait for ever, and a tool that is denied is not offered."""


@dataclass(frozen=True, slots=True)
class Provider:
    """How OpenCode speaks to a model endpoint.

    Attributes:
        id: Its name there; one of OpenCode's own brings what it knows of the models.
        package: The library, one of those that come with the program.
    """

    id: str
    package: str


def provider_of(base_url: str) -> Provider:
    """How to speak to an endpoint."""
    endpoint = Endpoint(base_url)
    if endpoint.is_openrouter:
        return Provider("openrouter", "@openrouter/ai-sdk-provider")
    if endpoint.host == "api.openai.com":
        return Provider("openai", "@ai-sdk/openai")
    return Provider("endpoint", "@ai-sdk/openai-compatible")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The model endpoint, and what is known of its models without asking it.

    Attributes:
        base_url: Of the endpoint.
        named: Models that settings name, which may be on no list.
        windows: How much models take and give.
        prices: What they cost.
        default: The model of prompts that name none.
        deadlines: How long a model may keep silent.
    """

    base_url: str
    named: tuple[str, ...]
    windows: Catalogue
    prices: PriceBook
    default: str | None
    deadlines: Deadlines = field(default_factory=Deadlines)

    @property
    def provider(self) -> Provider:
        """How OpenCode speaks to it."""
        return provider_of(self.base_url)

    def names(self) -> list[str]:
        """Every model that is known, by the endpoint's own name. Reads the price list."""
        listed = PriceList(self.base_url).names()
        return list(dict.fromkeys([*self.named, *listed]))

    def refs(self) -> list[ModelRef]:
        """Every model that is known, as OpenCode names it. Reads the price list."""
        return [ModelRef(self.provider.id, name) for name in self.names()]


@dataclass(frozen=True, slots=True)
class Conduct:
    """How an OpenCode server of our own behaves.

    Attributes:
        is_permissive: Everything may be done without asking, by subagents too.
        asked: Kinds of permission that are asked for all the same.
        has_snapshots: What a step changed is kept, so that it can be shown and undone.
    """

    is_permissive: bool = True
    asked: tuple[str, ...] = ()
    has_snapshots: bool = True


def configuration(
    source: ModelSource, conduct: Conduct, *, key_file: Path | None, plugin: Path
) -> Json:
    """The configuration. Reads the price list.

    Args:
        source: Where the models are.
        conduct: How the server behaves.
        key_file: Holds the endpoint's key, which is nowhere else.
        plugin: Our plugin.
    """
    provider = source.provider
    config: Json = {
        # OpenCode would write this line into the file itself.
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": False,
        "share": "disabled",
        "snapshot": conduct.has_snapshots,
        "plugin": [plugin.as_uri()],
        "enabled_providers": [provider.id],
        "provider": {provider.id: _provider(source, key_file)},
    }
    if source.default is not None:
        # The small one writes titles and summaries.
        config["model"] = config["small_model"] = f"{provider.id}/{source.default}"
    # The last rule that fits decides, and a session's own come after these; subagents have no others.
    permission = ALLOW_ALL if conduct.is_permissive else {}
    permission = {**permission, **dict.fromkeys(conduct.asked, "ask")}
    if permission:
        config["permission"] = permission
    if conduct.is_permissive:
        # What is allowed here comes after what the agent itself denies; planning stays planning.
        config["agent"] = {"plan": {"permission": {"edit": "deny"}}}
    return config


def _provider(source: ModelSource, key_file: Path | None) -> Json:
    options: Json = {
        "baseURL": source.base_url,
        "headerTimeout": _ms(source.deadlines.first_token),
        "chunkTimeout": _ms(source.deadlines.silence),
        # An endpoint without a key is not asked for one; the library will not go without.
        "apiKey": "none" if key_file is None else f"{{file:{key_file}}}",
    }
    return {
        "npm": source.provider.package,
        "name": Endpoint(source.base_url).host,
        "options": options,
        "models": _models(source, source.names()),
    }


def _models(source: ModelSource, names: Sequence[str]) -> Json:
    return {name: _model(source, name) for name in names}


def _model(source: ModelSource, name: str) -> Json:
    model: Json = {
        "tool_call": True,
        "limit": {
            "context": source.windows.context_tokens(name),
            "output": source.windows.output_tokens(name),
        },
    }
    price = source.prices.price(name)
    if price is not None:
        rates = price.tiers[0][1]
        model["cost"] = {
            "input": rates.input / 1e6,
            "output": rates.output / 1e6,
            "cache_read": rates.cached_input / 1e6,
            "cache_write": rates.cache_write / 1e6,
        }
    return model


def _ms(time: timedelta) -> int:
    return round(time.total_seconds() * 1000)
