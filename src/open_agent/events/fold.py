"""The state of a mission, folded from its log: what the next move is decided on.

Holds counters and what is open, never the conversation's text (`models/encoding.py` has that)
and never events that are over. Folding a log in two parts equals folding it once, and starting
from a `history.compacted` equals starting from the beginning.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from open_agent.core.ids import CallId, MessageId, RunId
from open_agent.events.active_run import ActiveRun
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.message import Delivery, MessageReceived, RunOptions
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelAsked
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.model.union import UnknownEvent
from open_agent.events.record import Record

CALL_IDS_KEPT = 500
"""So that the state stays small; providers that repeat an id do so from one reply to the next."""


class PendingMessage(BaseModel):
    """A message that no run has taken yet."""

    message_id: MessageId
    seq: int
    delivery: Delivery
    options: RunOptions


class MissionState(BaseModel):
    """Everything about a mission that decisions need."""

    seq: int = 0
    """The newest record folded."""
    workspace: str = ""
    pending: list[PendingMessage] = Field(default_factory=list[PendingMessage])
    """Messages that the model has not been asked about, oldest first."""
    run: ActiveRun | None = None
    last_run: RunFinished | None = None
    call_ids: list[CallId] = Field(default_factory=list[CallId])
    """The newest call ids of the mission, oldest first: none of them may be used again."""
    is_cancelled_early: bool = False
    """A cancel arrived while messages waited and no run was active."""
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
                assert record.run_id is not None
                self._start(record.run_id, record.at, event)
            case RunFinished():
                self.run, self.last_run, self.is_cancelled_early = None, event, False
            case MissionCreated():
                self.workspace = event.workspace
            case CancelRequested():
                self._cancel()
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
        """The state as JSON values, for `history.compacted`."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def _work(self, record: Record) -> None:
        event = record.event
        if self.run is not None:
            self.run.advance(record)
        if isinstance(event, ModelAnswered):
            self.call_ids += (call.call_id for call in event.tool_calls)
            del self.call_ids[:-CALL_IDS_KEPT]
        if isinstance(event, ModelAsked) and event.purpose == "step":
            self.pending = [m for m in self.pending if m.delivery != "steer"]

    def _receive(self, seq: int, message: MessageReceived) -> None:
        self.pending.append(
            PendingMessage(
                message_id=message.message_id,
                seq=seq,
                delivery=message.delivery,
                options=message.options,
            )
        )
        if self.run is not None and message.delivery == "interrupt":
            self.run.is_interrupted = True

    def _start(self, run_id: RunId, at: datetime, event: RunStarted) -> None:
        taken = set(event.message_ids)
        self.pending = [message for message in self.pending if message.message_id not in taken]
        self.run = ActiveRun(
            run_id=run_id,
            root_run_id=event.root_run_id,
            started_at=at,
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
        elif self.pending:
            self.is_cancelled_early = True


def fold(records: Iterable[Record], state: MissionState | None = None) -> MissionState:
    """The state after `records`, on top of `state` or from the beginning."""
    state = MissionState() if state is None else state.model_copy(deep=True)
    state.apply_all(records)
    return state
