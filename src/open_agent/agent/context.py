"""What the loop works with: the lease it writes under, the view it decides on, its collaborators.

The view is the fold of the log, kept up to date by every append, ours or anyone's. The context
does not know that the log is durable, who watches it, or what else the server does.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import anyio
import pydantic_core

from open_agent.agent.limits import Rules
from open_agent.agent.moves import View
from open_agent.agent.policy import Policy
from open_agent.agent.prompt import system_prompt
from open_agent.agent.toolsets import MissionTools, ToolSource
from open_agent.core.clock import Clock
from open_agent.core.ids import MissionId, RunId
from open_agent.core.run import Usage
from open_agent.events.active_run import ActiveRun
from open_agent.events.blobs import BlobStore
from open_agent.events.delta import DeltaSink
from open_agent.events.fold import MissionState
from open_agent.events.log import EncodedRecord, EventLog
from open_agent.events.model.run import RunStarted
from open_agent.events.model.union import Event
from open_agent.events.model.workspace import WorkspacePrepared
from open_agent.events.record import Record
from open_agent.models.assembly import OnDelta
from open_agent.models.encoding import Conversation
from open_agent.models.reply import ModelReply, ModelRequest
from open_agent.tools.ports import Delegation, HttpFetcher, WebSearch
from open_agent.tools.registry import Toolbox
from open_agent.workspaces.base import Workspace


def sees_nothing(model: str) -> bool:
    """No model sees."""
    del model
    return False


class Completes(Protocol):
    """A model that answers requests."""

    async def complete(self, request: ModelRequest, on_delta: OnDelta | None) -> ModelReply:
        """Send a request and read the whole reply, or raise `ModelError`."""
        ...


class Models(Protocol):
    """Every model there is, by name."""

    def client(self, model: str) -> Completes:
        """Who answers for `model`."""
        ...

    def cost(self, model: str, usage: Usage) -> int | None:
        """What a call cost by the price list, in micro-dollars; none when it does not know."""
        ...

    def is_free(self, model: str) -> bool:
        """Whether the endpoint charges nothing, being the user's own."""
        ...


@dataclass(frozen=True, slots=True)
class Collaborators:
    """What every run of a server shares."""

    log: EventLog
    rules: Rules
    clock: Clock
    models: Models
    tools: ToolSource
    policy: Policy
    delegation: Delegation
    blobs: BlobStore
    deltas: DeltaSink
    http: HttpFetcher
    search: WebSearch
    sees: Callable[[str], bool] = sees_nothing
    """Whether a model can be shown pictures."""


@dataclass(slots=True)
class RunContext:
    """One mission, held under one lease."""

    mission_id: MissionId
    epoch: int
    shared: Collaborators
    workspace: Workspace
    state: MissionState
    conversation: Conversation
    mission_tools: MissionTools
    is_draining: bool = False
    """The server is stopping: no new move is begun."""
    is_lending: bool = False
    """It only waits for what it delegated, which may be worked on in its place."""
    _appending: anyio.Lock = field(default_factory=lambda: anyio.Lock(fast_acquire=True))
    _scope: anyio.CancelScope | None = None
    is_following: bool = False
    """What works on the run wants to hear of everything that is said to the mission meanwhile."""
    _offered: Toolbox | None = None
    _heard: int = 0
    """The newest interruption heard of; until it is folded, no long work is begun."""
    _news: int = 0
    """The newest record heard of by a run that follows."""
    _is_attentive: bool = False

    @property
    def run(self) -> ActiveRun:
        """The active run."""
        assert self.state.run is not None
        return self.state.run

    @property
    def tools(self) -> Toolbox:
        """What the mission's model may use."""
        return self.mission_tools.toolbox

    @property
    def now(self) -> datetime:
        """The present time."""
        return self.shared.clock.now()

    @property
    def view(self) -> View:
        """What the next move is decided on."""
        return View(
            state=self.state,
            request_bytes=self.conversation.size_bytes,
            is_shrinkable=self.conversation.is_shrinkable,
        )

    async def append(self, *events: Event, run_id: RunId | None = None) -> bool:
        """Append and fold, others' records first; false when the log had moved and nothing was.

        Raises:
            LeaseLost: Another worker has the mission.
            BudgetSpent: A reservation does not fit the root run's budget.
        """
        is_appended = False
        with anyio.CancelScope(shield=True):
            async with self._appending:
                is_appended = await self._append(events, run_id)
        return is_appended

    async def _append(self, events: Sequence[Event], run_id: RunId | None) -> bool:
        active = self.state.run.run_id if self.state.run else None
        appended = await self.shared.log.append(
            self.mission_id,
            self.epoch,
            events,
            run_id=run_id or active,
            known_seq=self.state.seq,
        )
        self.fold(appended.foreign)
        self.fold(appended.records)
        return not appended.is_refused

    def fold(self, records: Sequence[Record]) -> None:
        """Bring the view up to date."""
        for record in records:
            if record.seq <= self.state.seq:
                continue
            self.state.apply(record)
            self.conversation.apply(record)
            if isinstance(record.event, RunStarted | WorkspacePrepared):
                self.conversation.set_system(system_prompt(self.state))

    async def catch_up(self) -> None:
        """Take in what was heard of: records, and other tools; does nothing when that is done."""
        if max(self._heard, self._news) > self.state.seq:
            async with self._appending:
                self.fold(await self.shared.log.read(self.mission_id, after=self.state.seq))
        self.offer_tools()

    def offer_tools(self) -> None:
        """Offer the model the tools that there are now."""
        toolbox = self.tools
        if toolbox is not self._offered:
            self._offered = toolbox
            self.conversation.set_tools(toolbox.schemas())

    @contextmanager
    def interruptible(self) -> Generator[anyio.CancelScope]:
        """Work that a cancel or an interrupting message ends at once."""
        with anyio.CancelScope() as scope:
            self._scope = scope
            if self._heard > self.state.seq:
                scope.cancel()
            try:
                yield scope
            finally:
                self._scope = None

    @contextmanager
    def attentive(self) -> Generator[anyio.CancelScope]:
        """Waiting that ends as soon as anything is said to the mission, or the server stops."""
        self._is_attentive = True
        try:
            with self.interruptible() as scope:
                if self._news > self.state.seq or self.is_draining:
                    scope.cancel()
                yield scope
        finally:
            self._is_attentive = False

    @contextmanager
    def lending(self) -> Generator[None]:
        """Wait for delegated work, which goes on when the server stops."""
        self.is_lending = True
        try:
            yield
        finally:
            self.is_lending = False

    def drain(self) -> None:
        """Begin no move any more; only waiting for delegated work is not worth waiting for."""
        self.is_draining = True
        if (self.is_lending or self._is_attentive) and self._scope is not None:
            self._scope.cancel()

    def hear(self, record: EncodedRecord) -> None:
        """Hear of a record that somebody else just committed; never blocks."""
        if _is_interruption(record):
            self._heard = record.seq
            if self._scope is not None:
                self._scope.cancel()
        elif self.is_following and record.type in _SAID:
            self._news = record.seq
            if self._is_attentive and self._scope is not None:
                self._scope.cancel()

    async def listen(self) -> None:
        """Hear of what was committed elsewhere, where nobody tells this process."""
        for record in await self.shared.log.read_encoded(self.mission_id, after=self.state.seq):
            self.hear(record)


_SAID = frozenset({"message.received", "answer.given"})


def _is_interruption(record: EncodedRecord) -> bool:
    if record.type == "message.received":
        return pydantic_core.from_json(record.json)["event"]["delivery"] == "interrupt"
    return record.type == "cancel.requested"
