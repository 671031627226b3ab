"""Cutting text so that it fits, always between characters."""

import json


def encoded_size(text: str) -> int:
    """Bytes of the text as JSON in UTF-8, quotes included."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))


def cut_to_bytes(text: str, limit: int) -> str:
    """The longest beginning of `text` found whose JSON has at most `limit` bytes, quotes included.

    Within one per cent of the longest there is; the text itself when it fits.
    """
    if len(text) * 6 + 2 <= limit or encoded_size(text) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while high - low > max(1, limit // 1000):
        middle = (low + high) // 2
        if encoded_size(text[:middle]) <= limit:
            low = middle
        else:
            high = middle
    return text[:low]
