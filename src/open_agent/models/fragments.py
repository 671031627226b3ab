"""Messages of a conversation, each encoded once.

A fragment is bytes and what is needed to order and drop it. A fragment begins with a comma, so
that a request is made by joining.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pydantic_core

from open_agent.events.model.base import BlobRef
from open_agent.events.model.model_call import ModelAnswered, RequestedCall
from open_agent.models.wire import Json, as_list, as_object

Kind = Literal["person", "notice", "summary", "reply", "results"]

_SURROGATES = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME = 64
_OURS = frozenset({"role", "content", "tool_calls"})

IMAGES = "[The images of the results above, in their order]"
EMPTY_REPLY = "(empty reply)"
EMPTY_MESSAGE = "(empty message)"
NO_OUTPUT = "(no output)"
NO_RESULT = "No result: the run ended before this call was answered."
NOTICE = "[Notice from the system, not from the user]\n"
SUMMARY = "[The conversation so far was shortened. Notes on the part that was left out:]\n"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Some encoded messages that come and go together."""

    kind: Kind
    seq: int
    """The record at which they entered the conversation; 0 for what a compaction left."""
    end_seq: int
    """The last record that is part of them."""
    plain: bytes
    received_seq: int = 0
    """The record that brought them, when they had to wait for their place."""
    own: bytes | None = None
    """As the model that wrote them wants them back."""
    own_model: str | None = None
    calls: int = 0
    is_active: bool = True
    """Whether a run was active just after `end_seq`."""
    images: tuple[BlobRef, ...] = ()
    """What its results showed besides, for models that see."""

    @property
    def size(self) -> int:
        """Bytes, in the longer form."""
        return max(len(self.plain), len(self.own or b""))

    def texts(self) -> list[str]:
        """The contents of its messages."""
        messages = pydantic_core.from_json(b"[%b]" % self.plain[1:])
        return [message["content"] or "" for message in messages]


def encode_user(text: str) -> bytes:
    """A user message."""
    return _encode({"role": "user", "content": _filled(text, EMPTY_MESSAGE)})


def encode_system(text: str) -> bytes:
    """The system message, without a comma: nothing comes before it."""
    return _encode({"role": "system", "content": clean(text)})[1:]


def encode_reply(answer: ModelAnswered) -> tuple[bytes, bytes | None]:
    """An assistant message, and how its own model wants it back, where that differs."""
    message: Json = {"role": "assistant", "content": clean(answer.text) or None}
    calls = [_call(call) for call in answer.tool_calls]
    if calls:
        message["tool_calls"] = calls
    elif not answer.text.strip():
        message["content"] = EMPTY_REPLY
    plain = _encode(message)
    replay = as_object(answer.provider_message)
    extras = {k: v for k, v in as_object(replay.get("message")).items() if k not in _OURS}
    call_extras = [as_object(item) for item in as_list(replay.get("calls"))]
    if not extras and not any(call_extras):
        return plain, None
    if calls:
        padded = [*call_extras, *({} for _ in calls)]
        message["tool_calls"] = [padded[place] | call for place, call in enumerate(calls)]
    return plain, _encode(message | extras)


def encode_results(calls: Sequence[RequestedCall], results: dict[str, str]) -> bytes:
    """The answers of one reply's calls, in the order of the calls."""
    return b"".join(
        _encode(
            {
                "role": "tool",
                "tool_call_id": call.call_id,
                "content": _filled(results.get(call.call_id, NO_RESULT), NO_OUTPUT),
            }
        )
        for call in calls
    )


def encode_images(images: Sequence[tuple[str, bytes]]) -> bytes:
    """What tool messages cannot carry, as the user's next message.

    Args:
        images: The media type of each, and its content in base64.
    """
    parts = b",".join(
        b'{"type":"image_url","image_url":{"url":"data:%b;base64,%b"}}' % (media.encode(), data)
        for media, data in images
    )
    text = pydantic_core.to_json({"type": "text", "text": IMAGES})
    return b',{"role":"user","content":[%b,%b]}' % (text, parts)


def clean(text: str) -> str:
    """`text` without what has no UTF-8, and without NUL, which some providers refuse."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    return _SURROGATES.sub("\ufffd", text)


def _call(call: RequestedCall) -> Json:
    name = _NAME.sub("_", call.name[:_LONGEST_NAME])
    return {
        "id": call.call_id,
        "type": "function",
        "function": {"name": name or "unknown", "arguments": _arguments(call.arguments)},
    }


def _arguments(text: str) -> str:
    """The arguments as written, or a stand-in: providers refuse those that are no JSON object."""
    if not text.strip():
        return "{}"
    try:
        if isinstance(pydantic_core.from_json(text, allow_inf_nan=False), dict):
            return clean(text)
    except ValueError:
        pass
    return pydantic_core.to_json({"unreadable": clean(text[:500])}).decode()


def _filled(text: str, stand_in: str) -> str:
    return clean(text) if text.strip() else stand_in


def _encode(message: Any) -> bytes:
    return b"," + pydantic_core.to_json(message, inf_nan_mode="null")
