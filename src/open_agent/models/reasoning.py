"""Reasoning blocks that come in pieces and must go back whole.

Some providers sign or encrypt what a model thought and refuse a conversation that changes it, so
the blocks are kept as they came; only text that was streamed in pieces is joined.
"""

from typing import Any

from open_agent.models.wire import Json, as_object, as_text

_STREAMED = ("text", "summary", "data")
_MAX_BLOCKS = 1_000


class ReasoningDetails:
    """The `reasoning_details` of one reply."""

    def __init__(self) -> None:
        self._blocks: list[Json] = []
        self._parts: list[dict[str, list[str]]] = []
        self._places: dict[tuple[Any, str], int] = {}

    def add(self, items: list[Any]) -> str:
        """Take in the blocks of one chunk; what of them is for people to read."""
        shown: list[str] = []
        for item in items:
            fields = as_object(item)
            place = self._place_of(fields)
            if place is None:
                continue
            block, parts = self._blocks[place], self._parts[place]
            for name, value in fields.items():
                if name in _STREAMED and isinstance(value, str):
                    parts.setdefault(name, []).append(value)
                elif value is not None or name not in block:
                    block[name] = value
            shown.append(as_text(fields.get("text")) or as_text(fields.get("summary")))
        return "".join(shown)

    def merged(self) -> list[Json]:
        """The blocks, each once, in the order they began."""
        return [
            block | {name: "".join(pieces) for name, pieces in parts.items()}
            for block, parts in zip(self._blocks, self._parts, strict=True)
        ]

    def _place_of(self, fields: Json) -> int | None:
        kind = as_text(fields.get("type"))
        index = fields.get("index")
        key = (index if isinstance(index, int) else None, kind)
        known = self._places.get(key)
        if known is not None:
            return known
        if len(self._blocks) == _MAX_BLOCKS:
            return None
        self._places[key] = len(self._blocks)
        self._blocks.append({})
        self._parts.append({})
        return len(self._blocks) - 1
