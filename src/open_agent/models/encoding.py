"""The conversation as the model sees it: a fold of the log, kept as encoded bytes.

Adding a step appends bytes; nothing is ever serialised twice. What a request says is a function
of the log alone, so a worker that takes over sends the same bytes, and the beginning of a request
stays the same from step to step, which is what providers cache.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic_core

from open_agent.events.model.base import BlobRef
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.model_call import (
    ModelAnswered,
    ModelAsked,
    ModelFailed,
)
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import MessageEdited, MessageRemoved
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted
from open_agent.events.model.tool import ToolReturned
from open_agent.events.record import Record
from open_agent.models.fragments import (
    NOTICE,
    SUMMARY,
    Fragment,
    encode_images,
    encode_reply,
    encode_results,
    encode_system,
    encode_user,
)
from open_agent.models.open_reply import OpenReply, Waiting
from open_agent.models.reply import ModelRequest
from open_agent.models.shortening import Cut, find_cut
from open_agent.models.wire import as_list, as_object

_SMALLEST_GAIN = 2_000
"""Bytes of replies and results below which shortening is not worth a summary."""


IMAGE_WEIGHT = 5_000
"""Bytes of text that a picture counts as: what it costs does not follow from its own bytes."""
MOST_IMAGES = 8
"""Pictures that are shown at once. The oldest go, half of them at a time, so that the beginning of
requests stays the same in between."""


class ConversationBroken(RuntimeError):
    """A request would not be valid: a mistake of ours, so it is not sent."""


class Conversation:
    """Messages in the order the model sees them.

    A person's message waits for the run that takes it; a steering one for the next moment when no
    model call is in flight and no tool call is open. The results of one reply stand right after
    it, in the order of its calls; those that a backend had before its reply was complete wait for it.

    Args:
        tools: The schemas of the tools, in the form of the wire.
    """

    def __init__(self, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        self._tools = b""
        self.set_tools(tools)
        self._system = b""
        self._head: list[Fragment] = []
        self._fragments: list[Fragment] = []
        self._bytes = 0
        self._model_bytes = 0
        self._waiting: list[Waiting] = []
        self._missing: set[int] = set()
        self._open: OpenReply | None = None
        self._early: dict[str, str] = {}
        self._is_active = False
        self._is_in_flight = False
        self._is_backends = False
        self._asked_model = ""
        self._restored_upto = 0
        self.is_seeing = False
        """The model that is asked can be shown pictures."""

    def set_tools(self, tools: Sequence[Mapping[str, Any]]) -> None:
        """Offer these tools from the next request on; their schemas are in the form of the wire."""
        encoded = pydantic_core.to_json(list(tools))
        self._tools = b',"tools":%b' % encoded if tools else b""

    def set_system(self, text: str) -> None:
        """Say who the model is and what stands; it comes before all messages."""
        self._system = encode_system(text)

    @property
    def size_bytes(self) -> int:
        """The size of the next request's body, within a few dozen bytes."""
        seen = IMAGE_WEIGHT * len(self.images)
        return self._bytes + len(self._system) + len(self._tools) + 120 + seen

    @property
    def images(self) -> Sequence[BlobRef]:
        """The pictures that the next request shows, oldest first."""
        if not self.is_seeing:
            return ()
        found = [ref for part in self._fragments for ref in part.images]
        half = MOST_IMAGES // 2
        first = ((len(found) - 1) // half - 1) * half if len(found) > MOST_IMAGES else 0
        return found[first:]

    @property
    def is_shrinkable(self) -> bool:
        """There is enough of the model's own words and results to leave some out."""
        return self._open is None and self._model_bytes >= _SMALLEST_GAIN

    @property
    def fragment_count(self) -> int:
        """Pieces that a request is joined from."""
        return len(self._head) + len(self._fragments)

    @property
    def missing(self) -> tuple[int, ...]:
        """After `restore`: the records to apply first, wherever they are in the log."""
        return tuple(sorted(self._missing))

    def apply(self, record: Record) -> None:
        """Fold one record.

        Raises:
            ConversationBroken: It was restored, and what `missing` names did not come first.
        """
        seq, event = record.seq, record.event
        if self._missing:
            self._recall(record)
            return
        match event:
            case MessageReceived() | NoticeGiven() | MessageEdited() | MessageRemoved():
                self._wait(seq, event)
            case ModelAsked():
                self._is_in_flight, self._asked_model = True, event.model
                self._is_backends = event.backend_id is not None
            case ModelAnswered():
                self._answer(seq, event)
            case ToolReturned():
                self._return(seq, event)
            case ModelFailed() | RunRecovered():
                self._stop_waiting(event)
            case RunStarted():
                self._start(seq, event)
            case RunFinished():
                self._early = {}
                self._is_active = self._is_in_flight = self._is_backends = False
                self._close(seq)
            case HistoryCompacted() if event.upto_seq > self._restored_upto:
                self._shorten(event)
            case _:
                return
        self._settle(seq)

    def encode_request(
        self,
        model: str,
        max_tokens: int | None,
        *,
        closing: str | None = None,
        images: Mapping[str, bytes] | None = None,
    ) -> ModelRequest:
        """The next request.

        `closing` is said last, as the user and for this request only, and calls are forbidden.
        `images` are those to be shown, in base64, by their digest.

        Raises:
            ConversationBroken: A call has no answer yet.
        """
        if self._open is not None:
            raise ConversationBroken(f"calls of record {self._open.seq} have no answer")
        parts, lighter = self._parts(model, images or {})
        tail = b"]"
        if closing is not None:
            parts.append(encode_user(closing))
            tail = b'],"tool_choice":"none"' if self._tools else tail
        if not parts:
            raise ConversationBroken("there is no message to send")
        if not self._system:
            parts[0] = parts[0][1:]
        begin = b'{"model":%b,"stream":true,"stream_options":{"include_usage":true}%b,"messages":['
        head = begin % (pydantic_core.to_json(model), self._tools)
        body = b"".join((head, self._system, *parts, tail))
        return ModelRequest(body, model, max_tokens, lighter)

    def _parts(self, model: str, images: Mapping[str, bytes]) -> tuple[list[bytes], int]:
        """All messages, and how many bytes the pictures among them have beyond their weight."""
        parts: list[bytes] = []
        lighter = 0
        for part in (*self._head, *self._fragments):
            is_own = part.own is not None and part.own_model == model
            parts.append(part.own if is_own and part.own is not None else part.plain)
            shown = [
                (ref.media_type, images[ref.digest]) for ref in part.images if ref.digest in images
            ]
            if shown:
                parts.append(encode_images(shown))
                lighter += len(parts[-1]) - IMAGE_WEIGHT * len(shown)
        return parts, lighter

    def cut(self, keep_bytes: int) -> Cut | None:
        """Where to compact so that about `keep_bytes` stay; none when nothing would go."""
        if not self.is_shrinkable:
            return None
        return find_cut(self._head, self._fragments, keep_bytes)

    def dump_state(self, cut: Cut) -> dict[str, Any]:
        """What `restore` needs beside the event itself, for `HistoryCompacted.state`."""
        last = next(part for part in reversed(self._fragments) if part.end_seq <= cut.upto_seq)
        untaken = (
            item.seq
            for item in self._waiting
            if item.seq <= cut.upto_seq and (item.is_steering or item.message_id is None)
        )
        return {"is_active": last.is_active, "waiting": sorted({*cut.waiting, *untaken})}

    def restore(self, compacted: HistoryCompacted, queue: Iterable[int] = ()) -> None:
        """Begin where the newest compaction left off; only for an empty conversation.

        The records that `missing` then names are applied first, then all after `upto_seq`.

        Args:
            compacted: The compaction.
            queue: The records of messages that waited then, and of their edits.
        """
        state = as_object(compacted.state.get("conversation"))
        self._is_active = state.get("is_active") is True
        self._missing = {*as_list(state.get("waiting")), *queue}
        self._restored_upto = compacted.upto_seq
        self._shorten(compacted)

    def _recall(self, record: Record) -> None:
        event = record.event
        if record.seq not in self._missing:
            raise ConversationBroken(f"record {record.seq} came before {self.missing}")
        self._missing.discard(record.seq)
        if isinstance(event, MessageReceived | NoticeGiven | MessageEdited):
            self._wait(record.seq, event)

    def _wait(
        self, seq: int, event: MessageReceived | NoticeGiven | MessageEdited | MessageRemoved
    ) -> None:
        if isinstance(event, NoticeGiven):
            encoded = encode_user(NOTICE + event.content)
            self._waiting.append(Waiting(seq, "notice", encoded, None, is_steering=False))
            return
        message_id = event.message_id
        if not isinstance(event, MessageReceived):
            self._waiting = [item for item in self._waiting if item.message_id != message_id]
        if not isinstance(event, MessageRemoved):
            # An edit says all of the message, so it takes the place of what it changed.
            is_steering = isinstance(event, MessageReceived) and event.delivery == "steer"
            encoded = encode_user(event.content)
            self._waiting.append(Waiting(seq, "person", encoded, message_id, is_steering))

    def _start(self, seq: int, event: RunStarted) -> None:
        self._close(seq)
        self._is_active, self._is_in_flight = True, False
        by_id = {item.message_id: item for item in self._waiting if item.message_id is not None}
        for message_id in event.message_ids:
            item = by_id.pop(message_id, None)
            if item is not None:
                self._waiting.remove(item)
                self._place(seq, item)

    def _answer(self, seq: int, event: ModelAnswered) -> None:
        if event.purpose == "subagent":
            return
        self._is_in_flight = False
        if event.purpose == "compaction":
            return
        self._close(seq)
        plain, own = encode_reply(event)
        self._add(
            Fragment(
                "reply",
                seq,
                seq,
                plain,
                own=own,
                own_model=self._asked_model if own is not None else None,
                calls=len(event.tool_calls),
                is_active=self._is_active,
            )
        )
        early, self._early = self._early, {}
        if event.tool_calls:
            mine = {
                str(c.call_id): early[c.call_id] for c in event.tool_calls if c.call_id in early
            }
            self._open = OpenReply(seq, event.tool_calls, mine)
            self._close_if_answered(seq)

    def _stop_waiting(self, event: ModelFailed | RunRecovered) -> None:
        """No reply is to come any more, or none of those that the conversation knows of."""
        match event:
            case ModelFailed(purpose="subagent"):
                pass
            case RunRecovered() if self._is_backends:
                pass  # What a backend was writing is taken up, not asked for again.
            case _:
                self._is_in_flight = False

    def _return(self, seq: int, event: ToolReturned) -> None:
        reply = self._open
        if reply is not None and reply.takes(event.call_id):
            reply.results[event.call_id] = event.content
            if event.images:
                reply.images[event.call_id] = event.images
            self._close_if_answered(seq)
        elif event.within is None and self._is_in_flight:
            self._early.setdefault(event.call_id, event.content)

    def _close_if_answered(self, seq: int) -> None:
        reply = self._open
        if reply is not None and len(reply.results) == len(reply.calls):
            self._close(seq)

    def _close(self, seq: int) -> None:
        """Put the results of the open reply after it; what has no result says so."""
        reply, self._open = self._open, None
        if reply is not None:
            results = encode_results(reply.calls, reply.results)
            images = [ref for call in reply.calls for ref in reply.images.get(call.call_id, ())]
            self._add(
                Fragment(
                    "results",
                    reply.seq,
                    seq,
                    results,
                    is_active=self._is_active,
                    images=tuple(images),
                )
            )

    def _settle(self, seq: int) -> None:
        """Give waiting messages their place, where this is a moment for it."""
        if not self._waiting or self._is_in_flight or self._early or self._open is not None:
            return
        for item in list(self._waiting):
            if item.kind == "notice" or (item.is_steering and self._is_active):
                self._waiting.remove(item)
                self._place(seq, item)

    def _place(self, seq: int, item: Waiting) -> None:
        self._add(
            Fragment(
                item.kind,
                seq,
                seq,
                item.encoded,
                received_seq=item.seq,
                is_active=self._is_active,
            )
        )

    def _add(self, fragment: Fragment) -> None:
        self._fragments.append(fragment)
        self._count(fragment, 1)

    def _count(self, fragment: Fragment, sign: int) -> None:
        self._bytes += sign * fragment.size
        if fragment.kind in ("reply", "results"):
            self._model_bytes += sign * fragment.size

    def _shorten(self, event: HistoryCompacted) -> None:
        kept = [Fragment("person", 0, 0, encode_user(text)) for text in event.kept]
        summary = Fragment("summary", 0, 0, encode_user(SUMMARY + event.summary))
        for part in (*self._head, *self._fragments):
            self._count(part, -1)
        self._head = [*kept, summary]
        self._fragments = [part for part in self._fragments if part.seq > event.upto_seq]
        for part in (*self._head, *self._fragments):
            self._count(part, 1)
        if self._open is not None and self._open.seq <= event.upto_seq:
            self._open = None
