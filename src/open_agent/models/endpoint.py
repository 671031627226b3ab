"""What the address of a model endpoint says about how to speak to it."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from open_agent.models.reply import ModelRequest

_COPIED_BYTES = 128 * 1024
"""Up to this, a copy takes less than a write (20 µs)."""


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

    def finish(self, request: ModelRequest) -> tuple[bytes, ...]:
        """The body to send, in parts: the request's own, and what this endpoint needs to be told.

        After the messages, so that the beginning stays the same from step to step; a long
        conversation in a part of its own, because copying it costs more than another write.
        """
        extras: list[bytes] = []
        if request.max_tokens is not None:
            extras.append(b'"%b":%d' % (self.max_tokens_field.encode(), request.max_tokens))
        if self.is_openrouter:
            extras.append(b'"usage":{"include":true}')
            if request.model.startswith("anthropic/"):  # the others cache without being asked
                extras.append(b'"cache_control":{"type":"ephemeral"}')
        end = b"".join(b",%b" % extra for extra in extras) + b"}"
        if len(request.unclosed) <= _COPIED_BYTES:
            return (request.unclosed + end,)
        return request.unclosed, end

    @property
    def is_private(self) -> bool:
        """Whether it is this machine or its own network, where nobody sends a bill."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            is_single = (
                bool(self.host) and "." not in self.host
            )  # `localhost`, or a container's name
            return is_single or self.host.endswith((".localhost", ".local", ".internal"))
        return address.is_private or address.is_loopback or address.is_link_local


def is_private_endpoint(base_url: str) -> bool:
    """Whether `base_url` is on loopback or a private address, and free unless prices are set."""
    return Endpoint(base_url).is_private
