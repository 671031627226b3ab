"""What the address of a model endpoint says about how to speak to it."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint, by the URL that `/chat/completions` is added to."""

    base_url: str
    host: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))
        object.__setattr__(self, "host", (urlsplit(self.base_url).hostname or "").lower())

    @property
    def chat_url(self) -> str:
        """Where completions are asked for."""
        return f"{self.base_url}/chat/completions"

    @property
    def is_openrouter(self) -> bool:
        """Whether OpenRouter's own fields are understood there."""
        return self.host == "openrouter.ai" or self.host.endswith(".openrouter.ai")

    @property
    def max_tokens_field(self) -> str:
        """The field that bounds a reply; OpenAI's own API refuses the one all others know."""
        return "max_completion_tokens" if self.host == "api.openai.com" else "max_tokens"

    @property
    def is_private(self) -> bool:
        """Whether it is this machine or its own network, where nobody sends a bill."""
        if self.host == "localhost" or self.host.endswith((".localhost", ".local", ".internal")):
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return address.is_private or address.is_loopback or address.is_link_local


def is_private_endpoint(base_url: str) -> bool:
    """Whether `base_url` is on loopback or a private address, and free unless prices are set."""
    return Endpoint(base_url).is_private
