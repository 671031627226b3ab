"""What a writer can be asked to append, checked and encoded before it reaches the writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from open_agent.core.errors import Invalid
from open_agent.core.ids import MissionId, RunId, UserId
from open_agent.events.codec import encode_event
from open_agent.events.log import Copy
from open_agent.events.model.answer import AnswerDefaulted
from open_agent.events.model.backend import BackendPrompted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAsked
from open_agent.events.model.run import RunFinished, RunStarted, RunWaiting
from open_agent.events.model.union import Event, ExternalEvent

MAX_KEY_CHARACTERS = 255

_DECIDED = (RunStarted, ModelAsked, RunWaiting, RunFinished, AnswerDefaulted, BackendPrompted)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that is encoded and has no place in the log yet."""

    event: Event
    body: bytes
    run_id: RunId | None = None
    at: datetime | None = None
    """When it happened, if it is a copy."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """Create a mission with its first events."""

    mission_id: MissionId
    owner: UserId
    drafts: tuple[Draft, ...]
    key: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class AppendRequest:
    """Append as the holder of the mission's lease."""

    mission_id: MissionId
    epoch: int
    drafts: tuple[Draft, ...]
    run_id: RunId | None
    known_seq: int
    is_decided: bool
    """One of the events depends on nothing having been appended since `known_seq`."""


@dataclass(frozen=True, slots=True)
class ExternalRequest:
    """Append without a lease, once per key."""

    mission_id: MissionId
    owner: UserId
    draft: Draft
    key: str


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """Remove a mission, what it delegated, and all that follows from them."""

    mission_id: MissionId
    children: tuple[MissionId, ...]
    owner: UserId
    by: UserId
    known_seq: int | None = None
    """Refused when something happened in the mission since."""

    @property
    def missions(self) -> tuple[MissionId, ...]:
        """All of them."""
        return (self.mission_id, *self.children)


AnyRequest = OpenRequest | AppendRequest | ExternalRequest | DeleteRequest


def open_request(
    mission_id: MissionId,
    created: MissionCreated,
    message: MessageReceived | None,
    key: str | None,
    digest: str,
) -> OpenRequest:
    """A checked request to create a mission."""
    if key is not None:
        _check_key(key)
    events = [created] if message is None else [created, message]
    return OpenRequest(mission_id, created.owner_id, _drafts(events), key, digest)


def fork_request(
    mission_id: MissionId,
    created: MissionCreated,
    copies: Sequence[Copy],
    key: str | None,
    digest: str,
) -> OpenRequest:
    """A checked request to create a mission that begins with copies."""
    if key is not None:
        _check_key(key)
    drafts = [Draft(c.event, encode_event(c.event), c.run_id, c.at) for c in copies]
    return OpenRequest(mission_id, created.owner_id, (*_drafts([created]), *drafts), key, digest)


def draft_of(event: Event) -> Draft:
    """An event, encoded.

    Raises:
        Invalid: It is too large.
    """
    return Draft(event, encode_event(event))


def append_request(
    mission_id: MissionId,
    epoch: int,
    events: Sequence[Event],
    run_id: RunId | None,
    known_seq: int,
) -> AppendRequest:
    """A checked request of a mission's holder."""
    is_decided = any(isinstance(event, _DECIDED) for event in events)
    return AppendRequest(mission_id, epoch, _drafts(events), run_id, known_seq, is_decided)


def external_request(
    mission_id: MissionId, event: ExternalEvent, key: str, owner: UserId
) -> ExternalRequest:
    """A checked request of somebody without a lease."""
    _check_key(key)
    return ExternalRequest(mission_id, owner, _drafts([event])[0], key)


def _drafts(events: Sequence[Event]) -> tuple[Draft, ...]:
    return tuple([draft_of(event) for event in events])


def _check_key(key: str) -> None:
    if not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise Invalid(
            "idempotency.key_invalid",
            f"An idempotency key is 1 to {MAX_KEY_CHARACTERS} printable characters.",
        )
