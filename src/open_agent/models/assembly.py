"""A reply put together from its chunks, whatever order and shape they come in.

Also reads replies that come whole. Knows nothing of sockets, deadlines or SSE.
"""

from dataclasses import dataclass
from typing import Any, Literal

import pydantic_core

from open_agent.core.run import Usage
from open_agent.models.failures import from_error
from open_agent.models.reasoning import ReasoningDetails
from open_agent.models.reply import ModelReply, OnDelta, WireCall
from open_agent.models.usage import read_cost, read_usage
from open_agent.models.wire import Json, as_list, as_object, as_text

MAX_TEXT = 1_000_000
"""Characters of text, and of reasoning, that a reply may have."""
MAX_ARGUMENTS = 8_000_000
"""Characters of arguments that all calls of a reply may have together."""
MAX_CALLS = 128
MAX_NAME = 256
"""Characters of a tool's name that are kept; no tool's name is as long."""
MAX_REPLAY_BYTES = 96 * 1024
"""What is kept for replay must fit an event beside the reply itself."""

_MAX_WHOLE_PIECES = 64
"""Arguments in more pieces are not tried for completeness again with every piece."""

_NEUTRAL = frozenset({"index", "id", "type", "function"})


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    arguments: list[str]
    extras: Json
    """Fields of this call that its provider wants back, such as Google's thought signatures."""

    def has_whole_arguments(self) -> bool:
        try:
            return isinstance(pydantic_core.from_json("".join(self.arguments)), dict)
        except ValueError:
            return False


class ReplyBuilder:
    """One reply in the making."""

    def __init__(self, on_delta: OnDelta | None = None) -> None:
        self._on_delta = on_delta
        self._model = ""
        self._provider: str | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._details = ReasoningDetails()
        self._reasoning_field: str | None = None
        self._room = {"text": MAX_TEXT, "reasoning": MAX_TEXT, "arguments": MAX_ARGUMENTS}
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._usage: Json = {}
        self.finish_reason = ""
        self.is_full = False
        """A bound is reached: nothing more needs to be read."""

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def usage(self) -> Usage:
        """What the provider has reported so far."""
        return read_usage(self._usage)

    @property
    def cost_microdollars(self) -> int | None:
        """What the provider has reported so far."""
        return read_cost(self._usage)

    def add(self, chunk: Any, *, is_whole: bool = False) -> bool:
        """Take in one chunk, or a whole reply; whether it carried anything of the reply.

        Raises:
            ModelError: The chunk says that the provider failed.
        """
        fields = as_object(chunk)
        if fields.get("error"):
            raise from_error(fields["error"])
        if not self._model:
            self._model = as_text(fields.get("model"))
            self._provider = as_text(fields.get("provider")) or None
        usage = fields.get("usage")
        if usage:
            self._usage = as_object(usage)
        choices = as_list(fields.get("choices"))
        if not choices:
            return bool(usage)
        return self._add_choice(as_object(choices[0]), is_whole)

    def build(self, *, first_token_ms: int | None, duration_ms: int) -> ModelReply:
        """The reply, now that it is complete."""
        finish_reason = "length" if self.is_full else self.finish_reason or "unknown"
        is_cut = finish_reason == "length"
        last = len(self._calls) - 1
        calls = tuple(
            _finished(call, is_cut=is_cut and position == last)
            for position, call in enumerate(self._calls)
        )
        return ModelReply(
            model=self._model,
            provider=self._provider,
            text=self.text,
            reasoning="".join(self._reasoning),
            tool_calls=calls,
            finish_reason=finish_reason,
            usage=self.usage,
            cost_microdollars=self.cost_microdollars,
            provider_message=self._replay(),
            first_token_ms=first_token_ms,
            duration_ms=duration_ms,
        )

    def _add_choice(self, choice: Json, is_whole: bool) -> bool:
        if choice.get("index"):  # we ask for one choice; others are somebody's mistake
            return False
        if choice.get("error"):
            raise from_error(choice["error"])
        delta = choice.get("delta") or choice.get("message")
        has_content = bool(delta) and self._add_delta(as_object(delta), is_whole)
        finish_reason = choice.get("finish_reason")
        if finish_reason:
            self.finish_reason = as_text(finish_reason)[:64]
            if self.finish_reason == "error":
                raise from_error({"message": "the provider ended the reply with an error"})
            return True
        return has_content

    def _add_delta(self, delta: Json, is_whole: bool) -> bool:
        has_content = False
        content = delta.get("content") or delta.get("refusal")
        if content:
            has_content = self._add_content(content)
        if len(delta) > 2 or "content" not in delta:  # most chunks are `role` and `content`
            has_content = self._add_reasoning(delta) or has_content
            calls = delta.get("tool_calls")
            if calls:
                has_content = self._add_calls(as_list(calls), is_whole) or has_content
        return has_content

    def _add_content(self, content: Any) -> bool:
        if isinstance(content, str):
            self._take("text", self._text, content)
            return True
        parts = [as_object(part) for part in as_list(content)]
        for part in parts:  # a list of parts is Mistral's way to tell thinking from text
            for thought in as_list(part.get("thinking")):
                self._take("reasoning", self._reasoning, as_text(as_object(thought).get("text")))
            if text := as_text(part.get("text")):
                self._take("text", self._text, text)
        return bool(parts)

    def _add_reasoning(self, delta: Json) -> bool:
        details = delta.get("reasoning_details")
        shown = ""
        if details:
            shown = self._details.add(as_list(details))
        for name in ("reasoning", "reasoning_content"):
            text = as_text(delta.get(name))
            if text:
                self._reasoning_field = self._reasoning_field or name
                shown = text
                break
        if shown:
            self._take("reasoning", self._reasoning, shown)
        return bool(shown or details)

    def _add_calls(self, items: list[Any], is_whole: bool) -> bool:
        for position, item in enumerate(items):
            fields = as_object(item)
            function = as_object(fields.get("function"))
            index = position if is_whole else fields.get("index")
            arguments = function.get("arguments")
            if isinstance(arguments, dict):
                arguments = pydantic_core.to_json(arguments).decode()
            self._add_call(
                index if isinstance(index, int) else None, fields, function, as_text(arguments)
            )
            if self.is_full:
                break
        return bool(items)

    def _add_call(self, index: int | None, fields: Json, function: Json, arguments: str) -> None:
        id_, name = as_text(fields.get("id")), as_text(function.get("name"))[:MAX_NAME]
        call = self._by_index.get(index) if index is not None else None
        if call is None and index is None and self._calls:
            call = self._calls[-1]
        if call is None or _begins_another(call, id_, name):
            if len(self._calls) == MAX_CALLS:
                self.is_full = True
                return
            call = _Call(id_, name, [], {})
            self._calls.append(call)
        else:
            if name and call.arguments == [arguments] and call.has_whole_arguments():
                return  # the same chunk twice
            call.id = call.id or id_
            if name and not call.arguments and not call.name.endswith(name):
                call.name = (call.name + name)[:MAX_NAME]
        if index is not None:
            self._by_index[index] = call
        if len(fields) > len(_NEUTRAL & fields.keys()):
            call.extras.update({k: v for k, v in fields.items() if k not in _NEUTRAL})
        if arguments:
            self._take("arguments", call.arguments, arguments)

    def _take(
        self,
        kind: Literal["text", "reasoning", "arguments"],
        parts: list[str],
        piece: str,
    ) -> None:
        room = self._room[kind]
        if len(piece) > room:
            self.is_full = True
            piece = piece[:room]
        self._room[kind] = room - len(piece)
        parts.append(piece)
        if self._on_delta is not None and kind != "arguments":
            self._on_delta(kind, piece)

    def _replay(self) -> Json | None:
        message: Json = {}
        details = self._details.merged()
        if details:
            message["reasoning_details"] = details
        elif self._reasoning_field is not None:
            message[self._reasoning_field] = "".join(self._reasoning)
        replay: Json = {"message": message} if message else {}
        if any(call.extras for call in self._calls):
            replay["calls"] = [call.extras for call in self._calls]
        if not replay or len(pydantic_core.to_json(replay)) > MAX_REPLAY_BYTES:
            return None
        return replay


def _begins_another(call: _Call, id_: str, name: str) -> bool:
    """Whether a fragment at the place of `call` begins a call of its own.

    Some providers give every call index 0, some none; some give a new id to every fragment, some
    repeat the name. A new call has a name, and either another id or nothing left to add to.
    """
    if not name:
        return False
    if id_ and call.id:
        return id_ != call.id
    return 0 < len(call.arguments) <= _MAX_WHOLE_PIECES and call.has_whole_arguments()


def _finished(call: _Call, *, is_cut: bool) -> WireCall:
    problem = None
    if is_cut and not call.has_whole_arguments():
        problem = (
            "The reply reached its length limit before these arguments were complete."
            " Send less at a time."
        )
    return WireCall(call.id, call.name, "".join(call.arguments), problem)
