"""The state of a mission, folded from its log: what the next move is decided on.

Holds counters and what is open, never the conversation's text (`models/encoding.py` has that)
and never events that are over. Folding a log in two parts equals folding it once, and starting
from a `history.compacted` equals starting from the beginning.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from open_agent.core.ids import CallId, MessageId, WorkspaceId
from open_agent.core.mission import MissionKind
from open_agent.events.active_run import ActiveRun
from open_agent.events.model.backend import BackendPrompted
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated, Parent
from open_agent.events.model.model_call import ModelAnswered, ModelAsked
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.model.union import UnknownEvent
from open_agent.events.model.workspace import WorkspacePrepared
from open_agent.events.record import Record

_PLACES = ("queue", "edits", "steering")
"""What a written state says of the queue: places in the log."""
CALL_IDS_KEPT = 500
"""So that the state stays small; providers that repeat an id do so from one reply to the next."""


class PendingMessage(BaseModel):
    """A message that no run has taken yet."""

    message_id: MessageId
    seq: int
    edited: int | None = None
    """The `seq` of its newest edit."""
    delivery: Delivery
    options: RunOptions


class BackendSession(BaseModel):
    """A backend's own conversation about this mission."""

    backend: str
    session_id: str
    seq: int
    """The newest record with which it was told something."""


class MissionState(BaseModel):
    """Everything about a mission that decisions need."""

    seq: int = 0
    """The newest record folded."""
    workspace: str = ""
    workspace_id: WorkspaceId | None = None
    """A workspace that has to be made before a run can work in it."""
    is_workspace_ours: bool = True
    """The directory is made when it is not there; one that a person named is not."""
    kind: MissionKind = MissionKind.TASK
    model: str | None = None
    """For runs whose message names none."""
    backend: str | None = None
    """The same for who carries them out."""
    parent: Parent | None = None
    pending: list[PendingMessage] = Field(default_factory=list[PendingMessage])
    """Messages that the model has not been asked about, oldest first."""
    run: ActiveRun | None = None
    last_run: RunFinished | None = None
    sessions: dict[str, BackendSession] = Field(default_factory=dict[str, BackendSession])
    """By backend: where its next run goes on. A fork begins without."""
    call_ids: list[CallId] = Field(default_factory=list[CallId])
    """The newest call ids of the mission, oldest first: none of them may be used again."""
    is_cancelled_early: bool = False
    """A cancel arrived while messages waited and no run was active, where a run must end so."""
    is_held: bool = False
    """A cancel stopped the queue; the next message, or a release, lets it go on."""
    unknown_type: str | None = None
    """An event type of a newer release was met; this release must not work on the mission."""

    def apply(self, record: Record) -> None:
        """Fold one record, which must be the next."""
        event = record.event
        self.seq = record.seq
        match event:
            case UnknownEvent():
                self.unknown_type = event.type
            case MessageReceived():
                self._receive(record.seq, event)
            case RunStarted():
                self._start(record, event)
            case RunFinished():
                self.run, self.last_run, self.is_cancelled_early = None, event, False
            case MissionCreated():
                self.workspace, self.kind = event.workspace, event.kind
                self.workspace_id, self.is_workspace_ours = (
                    event.workspace_id,
                    event.is_workspace_ours,
                )
                self.model, self.backend = event.model, event.backend
                self.parent = event.parent
            case CancelRequested():
                self._cancel()
            case MessageEdited() | MessageMoved() | MessageRemoved() | QueueReleased():
                self._change_queue(record.seq, event)
            case _:
                self._work(record)

    def apply_all(self, records: Iterable[Record]) -> None:
        """Fold records in their order."""
        for record in records:
            self.apply(record)

    @property
    def has_steering(self) -> bool:
        """A message that wants to be seen before the next model call has not been."""
        return any(message.delivery == "steer" for message in self.pending)

    def dump(self) -> dict[str, Any]:
        """The state as JSON values, for `history.compacted`.

        Of the queue, only places in the log, in their order: ten thousand messages have to fit.
        """
        state = self.model_dump(mode="json", exclude_defaults=True, exclude={"pending"})
        if self.pending:
            state["queue"] = [message.seq for message in self.pending]
            state["edits"] = [message.edited for message in self.pending if message.edited]
            state["steering"] = [m.seq for m in self.pending if m.delivery == "steer"]
        return state

    @staticmethod
    def restore(state: dict[str, Any], records: Iterable[Record]) -> "MissionState":
        """The state that was dumped; `records` are those that its queue and edits name."""
        fields = {key: value for key, value in state.items() if key not in _PLACES}
        # Before the queue was kept apart, it stood in the state as it was.
        restored = MissionState.model_validate(fields)
        found: dict[int, PendingMessage] = {}
        by_id: dict[MessageId, PendingMessage] = {}
        for record in records:
            match record.event:
                case MessageReceived() as event:
                    message = _pending(record.seq, event)
                    found[record.seq] = by_id[event.message_id] = message
                case MessageEdited() as event:
                    if event.message_id in by_id:
                        by_id[event.message_id].edited = record.seq
                case _:
                    pass
        restored.pending += (found[seq] for seq in state.get("queue", ()))
        return restored

    def _work(self, record: Record) -> None:
        event = record.event
        if self.run is not None:
            self.run.advance(record)
        match event:
            case WorkspacePrepared() if self.run is not None:
                self.run.instructions = event.instructions
            case BackendPrompted():
                self.sessions[event.backend] = BackendSession(
                    backend=event.backend, session_id=event.session_id, seq=record.seq
                )
                told = set(event.message_ids)
                self.pending = [m for m in self.pending if m.message_id not in told]
            case NoticeGiven(kind="forked"):
                # Copied with the rest; the other mission goes on with them.
                self.sessions = {}
            case _:
                pass
        if isinstance(event, ModelAnswered):
            self.call_ids += (call.call_id for call in event.tool_calls)
            del self.call_ids[:-CALL_IDS_KEPT]
        if isinstance(event, ModelAsked) and event.purpose == "step":
            self.pending = [m for m in self.pending if m.delivery != "steer"]

    def _receive(self, seq: int, message: MessageReceived) -> None:
        self.pending.append(_pending(seq, message))
        self.is_held = False
        if self.run is not None and message.delivery == "interrupt":
            self.run.is_interrupted = True

    def _start(self, record: Record, event: RunStarted) -> None:
        assert record.run_id is not None
        taken = set(event.message_ids)
        places = {message.message_id: message.edited or message.seq for message in self.pending}
        self.pending = [message for message in self.pending if message.message_id not in taken]
        self.run = ActiveRun(
            run_id=record.run_id,
            seq=record.seq,
            told=[places[id_] for id_ in event.message_ids if id_ in places],
            root_run_id=event.root_run_id,
            started_at=record.at,
            backend=event.backend,
            model=event.model,
            fallback_model=event.fallback_model,
            limits=event.limits,
            instructions=event.instructions,
            is_cancelled=self.is_cancelled_early,
        )
        self.is_cancelled_early = False

    def _cancel(self) -> None:
        if self.run is not None:
            self.run.is_cancelled = True
        elif self.pending and self.kind is not MissionKind.MISSION:
            self.is_cancelled_early = True
        if self.kind is MissionKind.MISSION:
            self.is_held = True

    def _change_queue(
        self, seq: int, event: MessageEdited | MessageMoved | MessageRemoved | QueueReleased
    ) -> None:
        if isinstance(event, QueueReleased):
            self.is_held = False
            return
        place = self._place_of(event.message_id)
        if place is None:
            return
        match event:
            case MessageEdited():
                self.pending[place].edited = seq
            case MessageRemoved():
                del self.pending[place]
            case MessageMoved():
                message = self.pending.pop(place)
                before = self._place_of(event.before)
                self.pending.insert(len(self.pending) if before is None else before, message)

    def _place_of(self, message_id: MessageId | None) -> int | None:
        for place, message in enumerate(self.pending):
            if message.message_id == message_id:
                return place
        return None


def _pending(seq: int, message: MessageReceived) -> PendingMessage:
    return PendingMessage(
        message_id=message.message_id,
        seq=seq,
        delivery=message.delivery,
        options=message.options,
    )


def fold(records: Iterable[Record], state: MissionState | None = None) -> MissionState:
    """The state after `records`, on top of `state` or from the beginning."""
    state = MissionState() if state is None else state.model_copy(deep=True)
    state.apply_all(records)
    return state
