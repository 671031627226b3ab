"""The closed list of everything that can happen to a mission."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from open_agent.events.model.answer import AnswerDefaulted, AnswerGiven, AnswerRequested
from open_agent.events.model.backend import BackendNoted, BackendPrompted, FilesChanged
from open_agent.events.model.cancel import CancelRequested
from open_agent.events.model.history import HistoryCompacted
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import (
    MissionCreated,
    MissionDeleted,
    MissionRenamed,
    MissionSelected,
    MissionStatusChanged,
)
from open_agent.events.model.model_call import ModelAnswered, ModelAsked, ModelFailed
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.queue import (
    MessageEdited,
    MessageMoved,
    MessageRemoved,
    QueueReleased,
)
from open_agent.events.model.run import RunFinished, RunRecovered, RunStarted, RunWaiting
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.model.workspace import WorkspaceAwaited, WorkspacePrepared

Event = Annotated[
    MissionCreated
    | MessageReceived
    | CancelRequested
    | RunStarted
    | RunRecovered
    | RunWaiting
    | RunFinished
    | ModelAsked
    | ModelAnswered
    | ModelFailed
    | ToolCalled
    | ToolReturned
    | NoticeGiven
    | HistoryCompacted
    | MissionRenamed
    | MissionStatusChanged
    | MissionSelected
    | MissionDeleted
    | MessageEdited
    | MessageMoved
    | MessageRemoved
    | QueueReleased
    | AnswerRequested
    | AnswerGiven
    | AnswerDefaulted
    | WorkspaceAwaited
    | WorkspacePrepared
    | BackendPrompted
    | BackendNoted
    | FilesChanged,
    Field(discriminator="type"),
]

ExternalEvent = (
    MessageReceived
    | CancelRequested
    | MissionRenamed
    | MissionStatusChanged
    | MissionSelected
    | MessageEdited
    | MessageMoved
    | MessageRemoved
    | QueueReleased
    | AnswerGiven
)
"""What may be appended without holding the mission's lease."""

DecidedEvent = (
    RunStarted | ModelAsked | RunWaiting | RunFinished | AnswerDefaulted | BackendPrompted
)
"""What is refused when the log has moved since it was decided on."""


class UnknownEvent(BaseModel):
    """An event of a newer release: shown as it is, and never acted on."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str

    def raw(self) -> dict[str, Any]:
        """All its fields, as stored."""
        return self.model_dump()


EventType = Literal[
    "mission.created",
    "message.received",
    "cancel.requested",
    "run.started",
    "run.recovered",
    "run.waiting",
    "run.finished",
    "model.asked",
    "model.answered",
    "model.failed",
    "tool.called",
    "tool.returned",
    "notice.given",
    "history.compacted",
    "mission.renamed",
    "mission.status_changed",
    "mission.selected",
    "mission.deleted",
    "message.edited",
    "message.moved",
    "message.removed",
    "queue.released",
    "answer.requested",
    "answer.given",
    "answer.defaulted",
    "workspace.awaited",
    "workspace.prepared",
    "backend.prompted",
    "backend.noted",
    "files.changed",
]
