"""Where a conversation can be cut, and what must survive the cut.

People's messages stay word for word as long as they fit; what goes is replies, results, notices
and the notes of the last time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.models.fragments import Fragment, encode_user

KEPT_BYTES = 96 * 1024
"""Of people's messages; with the summary they must fit an event."""
_SHORTEST = 400
LEFT_OUT = "… [{count:,} characters of this message were left out here]"


@dataclass(frozen=True, slots=True)
class Cut:
    """What a compaction at one place would do."""

    upto_seq: int
    """Everything that entered the conversation up to here goes; never between a call and its
    answer, nor during a model call."""
    kept: tuple[str, ...]
    """Messages of people among it, oldest first; the longest shortened when they are too much."""
    replies: int
    calls: int
    last_words: str
    """The newest text of the model among it."""
    notes: str
    """What the last compaction had noted, which goes as well."""
    dropped_bytes: int
    """By how much the conversation shrinks, before the new summary."""
    waiting: tuple[int, ...]
    """Records of messages that had come before the cut and have their place after it."""


def find_cut(
    head: Sequence[Fragment], fragments: Sequence[Fragment], keep_bytes: int
) -> Cut | None:
    """The first place after which at most `keep_bytes` remain; none when nothing would go.

    Args:
        head: What the last compaction left.
        fragments: What came since.
        keep_bytes: About how much of the newest history stays.
    """
    place = _place(fragments, keep_bytes)
    if place == 0:
        return None
    dropped, left = fragments[:place], fragments[place:]
    upto_seq = dropped[-1].end_seq
    people = [text for part in (*head, *dropped) if part.kind == "person" for text in part.texts()]
    kept = fit(people, KEPT_BYTES)
    words = [text for part in dropped if part.kind == "reply" for text in part.texts()]
    notes = [text for part in head if part.kind == "summary" for text in part.texts()]
    return Cut(
        upto_seq=upto_seq,
        kept=kept,
        replies=sum(part.kind == "reply" for part in dropped),
        calls=sum(part.calls for part in dropped),
        last_words=next((text for text in reversed(words) if text.strip()), ""),
        notes="\n".join(notes),
        dropped_bytes=sum(part.size for part in (*head, *dropped))
        - sum(len(encode_user(text)) for text in kept),
        waiting=tuple(part.received_seq for part in left if 0 < part.received_seq <= upto_seq),
    )


def fit(texts: Sequence[str], room: int) -> tuple[str, ...]:
    """The texts within `room` bytes: the first and the newest whole, what is between shortened."""
    sizes = [len(encode_user(text)) for text in texts]
    if sum(sizes) <= room:
        return tuple(texts)
    kept: dict[int, str] = {}
    order = [0, *range(len(texts) - 1, 0, -1)]
    for position, place in enumerate(order):
        share = room // 2 if position == 0 and len(texts) > 1 else room
        text = texts[place] if sizes[place] <= share else _shorten(texts[place], share)
        if text is None:
            continue
        kept[place] = text
        room -= len(encode_user(text))
    return tuple(kept[place] for place in sorted(kept))


def _shorten(text: str, room: int) -> str | None:
    """The beginning and the end of `text`, so that its encoding fits; none when too little would."""
    size = min(len(text), room)
    while size >= _SHORTEST:
        half = size // 2
        note = LEFT_OUT.format(count=len(text) - 2 * half)
        short = f"{text[:half]}{note}{text[len(text) - half :]}"
        if len(encode_user(short)) <= room:
            return short
        size = size * 2 // 3
    return None


def _place(fragments: Sequence[Fragment], keep_bytes: int) -> int:
    """How many fragments go, so that at most `keep_bytes` stay, cutting only where one may."""
    left = sum(part.size for part in fragments)
    if left <= keep_bytes:
        return 0
    best = 0
    for place, part in enumerate(fragments, 1):
        left -= part.size
        follows = fragments[place].seq if place < len(fragments) else None
        if follows is not None and follows <= part.end_seq:
            continue
        best = place
        if left <= keep_bytes:
            break
    return best
