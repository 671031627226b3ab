"""Which models can be shown pictures. No list that comes with a library says it, so this one does."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from open_agent.models.price_list import split_variant

SEEING = (
    "claude-*", "*chatgpt-*", "gpt-4o*", "gpt-4.1*", "gpt-4.5*", "gpt-4-turbo*", "gpt-5*", "gpt-6*",
    "o1", "o1-*", "o3", "o3-pro*", "o3-2*", "o4-*", "gemini-*", "gemma-3-*", "gemma3:*", "gemma-4*",
    "grok-4*", "grok-5*", "*-vision*", "*-vl", "*-vl-*", "*vl:*", "pixtral-*", "llava*",
    "llama-4-*", "llama4*", "mistral-small-3.*", "mistral-medium-3*", "mistral-large-3*",
    "nova-lite*", "nova-pro*", "nova-premier*", "glm-4.5v*", "glm-4.6v*", "kimi-k2.5*", "minicpm-v*",
)  # fmt: skip
"""Names without who makes them, as patterns."""
BLIND = ("claude-2*", "claude-instant*", "gemma-3-1b*", "gemma3:1b*", "o1-mini*", "o1-preview*")


class Sight:
    """Tells which models see.

    Args:
        more: Further names, or patterns of them, as people set them.
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._more = tuple(pattern.lower() for pattern in more)

    def sees(self, model: str) -> bool:
        """Whether a model can be shown pictures; one that nobody knows is taken to be blind."""
        whole = split_variant(model)[0].lower()
        name = whole.rpartition("/")[2]
        if any(fnmatchcase(each, pattern) for pattern in self._more for each in (whole, name)):
            return True
        if any(fnmatchcase(name, pattern) for pattern in BLIND):
            return False
        return any(fnmatchcase(name, pattern) for pattern in SEEING)
