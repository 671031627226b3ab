"""Events as bytes and back.

The stored body is the event's JSON. `FORMAT` is written beside it, so that a later release knows
which shape it reads; `upcast.py` turns old shapes into today's.
"""

from datetime import UTC, datetime
from typing import Any, cast, get_args

import pydantic_core
from pydantic import TypeAdapter

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId, RunId
from open_agent.events.model.union import Event, EventType, UnknownEvent
from open_agent.events.record import Record
from open_agent.events.upcast import FORMAT, upcast

MAX_EVENT_BYTES = 256 * 1024
"""Larger content belongs in a blob."""

_event_adapter: TypeAdapter[Event] = TypeAdapter(Event)
_known_types = frozenset(get_args(EventType))


def encode_event(event: Event) -> bytes:
    """An event as compact JSON. Lone surrogates, which have no UTF-8, become `?`.

    Raises:
        Invalid: It is larger than `MAX_EVENT_BYTES` (`event.too_large`).
    """
    try:
        body = event.__pydantic_serializer__.to_json(event)
    except pydantic_core.PydanticSerializationError:
        body = pydantic_core.to_json(_without_surrogates(event.model_dump()))
    if len(body) > MAX_EVENT_BYTES:
        raise Invalid(
            "event.too_large",
            f"A {event.type} event of {len(body):,} bytes is over the limit of"
            f" {MAX_EVENT_BYTES:,}. Put large content into a file and name it instead.",
        )
    return body


def decode_event(type_: str, format_: int, body: bytes | str) -> Event | UnknownEvent:
    """A stored body as an event; one of an unknown type, or of a newer format, as it is."""
    if type_ in _known_types and format_ == FORMAT:
        return _event_adapter.validate_json(body)
    fields = pydantic_core.from_json(body)
    if type_ not in _known_types or format_ > FORMAT:
        return UnknownEvent.model_validate(fields)
    return _event_adapter.validate_python(upcast(type_, format_, fields))


def upcast_body(type_: str, format_: int, body: bytes) -> bytes:
    """A stored body in today's shape, for those who pass it on without looking into it."""
    if format_ >= FORMAT or type_ not in _known_types:
        return body
    return pydantic_core.to_json(upcast(type_, format_, pydantic_core.from_json(body)))


def encode_record(
    seq: int,
    owner_seq: int,
    at: datetime,
    mission_id: MissionId,
    run_id: RunId | None,
    body: bytes,
) -> bytes:
    """A record's JSON around an already encoded event; the same bytes for every reader."""
    run = b"null" if run_id is None else b'"%b"' % run_id.encode()
    return b'{"seq":%d,"owner_seq":%d,"at":"%b","mission_id":"%b","run_id":%b,"event":%b}' % (
        seq,
        owner_seq,
        encode_time(at),
        mission_id.encode(),
        run,
        body,
    )


def encode_time(at: datetime) -> bytes:
    """A time as RFC 3339 in UTC with microseconds and `Z`."""
    # `strftime` takes 14 µs, and every event has a time.
    return (
        b"%bZ" % at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds").encode()
    )


def make_record(
    seq: int,
    owner_seq: int,
    at: datetime,
    mission_id: MissionId,
    run_id: RunId | None,
    event: Event | UnknownEvent,
) -> Record:
    """A record from parts that are known to be valid; nothing is checked again."""
    return Record.model_construct(
        seq=seq, owner_seq=owner_seq, at=at, mission_id=mission_id, run_id=run_id, event=event
    )


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            fields = cast("dict[str, Any]", value)
            return {_without_surrogates(k): _without_surrogates(v) for k, v in fields.items()}
        case list():
            return [_without_surrogates(item) for item in cast("list[Any]", value)]
        case _:
            return value
