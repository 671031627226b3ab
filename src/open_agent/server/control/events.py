"""The events of the control stream, as the original's clients know them, and ours beside them.

Clients pass over types and fields that they do not know. `mission_id` names the mission that a
person sees: for what a delegated mission does it is the one that delegated, and `child_id` says
which it was.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from open_agent.core.mission import MissionStatus
from open_agent.core.run import Outcome
from open_agent.events.model.message import Cause, Delivery
from open_agent.events.model.tool import ToolOutcome
from open_agent.server.control.wire import ControlState, OpenQuestion, RunningMission, TreeNode
from open_agent.server.wire import Wire


def _is_absent(value: object) -> bool:
    return value is None


class ControlEvent(Wire):
    """What every event of the control stream has beside its `type`."""

    mission_id: str | None = Field(
        default=None, exclude_if=_is_absent, description="The mission it is about."
    )
    child_id: str | None = Field(
        default=None,
        exclude_if=_is_absent,
        description="The delegated mission that did it, where one did.",
    )


class StatusEvent(ControlEvent):
    """How a mission stands now. The first one of a stream is about the current mission."""

    type: Literal["status"] = "status"
    state: ControlState = Field(description="Whether it works, rests, or waits for a person.")
    queue_len: int = Field(description="Messages that no run has taken yet.")
    is_held: bool = Field(default=False, description="A cancel stopped the queue.")
    mission_status: MissionStatus | None = Field(
        default=None, exclude_if=_is_absent, description="What was said of its goal."
    )


class AgentTree(ControlEvent):
    """The parts of a mission's work, as they are now."""

    type: Literal["agent_tree"] = "agent_tree"
    tree: TreeNode = Field(description="The tree.")


class ProgressEvent(ControlEvent):
    """How much of a mission's work is done."""

    type: Literal["progress"] = "progress"
    total_subtasks: int = Field(description="Parts in all.")
    completed_subtasks: int = Field(description="Parts that are done.")
    current_subtask: str | None = Field(description="The part in work.")
    depth: int = Field(description="How deep in the tree that part is.")


class ControlReset(ControlEvent):
    """The reader's place is none of this stream: forget everything; this is how it is now."""

    type: Literal["reset"] = "reset"
    reason: str = Field(description="Always `cursor.unknown`.")
    cursor: str = Field(description="Where the stream goes on.")
    current: str | None = Field(description="The current mission.")
    running: list[RunningMission] = Field(description="Missions with something to do.")
    queues: dict[str, int] = Field(description="Messages that wait, by mission.")
    questions: list[OpenQuestion] = Field(description="What waits for a person.")


class UserMessage(ControlEvent):
    """Somebody sent a message."""

    type: Literal["user_message"] = "user_message"
    id: str = Field(description="The message's id, as sending it was answered.")
    content: str = Field(description="What it says.")
    delivery: Delivery = Field(description="When the agent sees it.")
    cause: Cause = Field(description="Who wrote it: a person, or the server for one who resumed.")
    at: datetime = Field(description="When it was received.")


class AssistantMessage(ControlEvent):
    """A run has ended, with its last word."""

    type: Literal["assistant_message"] = "assistant_message"
    id: str = Field(description="The run's id.")
    content: str = Field(description="The agent's last word, or what went wrong.")
    success: bool = Field(description="Whether the run succeeded.")
    cost_cents: int = Field(description="What the run has cost in US cents, rounded up.")
    model: str | None = Field(description="The model that answered last.")
    outcome: Outcome = Field(description="How the run ended, in our own words.")
    reason: str = Field(description="Why it ended, as a stable code.")
    at: datetime = Field(description="When it ended.")


class WithinEvent(ControlEvent):
    """What a subagent of a call may have done."""

    within: str | None = Field(
        default=None,
        exclude_if=_is_absent,
        description="The call whose subagent did it, where one did.",
    )


class Thinking(WithinEvent):
    """What the model thinks, or says before it calls tools: all of it so far."""

    type: Literal["thinking"] = "thinking"
    content: str = Field(description="All of the text so far; it replaces what came before.")
    done: bool = Field(description="Nothing more is added to it.")


class ToolCallEvent(WithinEvent):
    """A tool is called, or a person is asked something."""

    type: Literal["tool_call"] = "tool_call"
    tool_call_id: str = Field(description="The call's id; `approve:<id>` asks for leave to call.")
    name: str = Field(description="The tool.")
    args: dict[str, Any] = Field(description="Its arguments; long texts in them are shortened.")


class ToolResultEvent(WithinEvent):
    """A tool call has its answer."""

    type: Literal["tool_result"] = "tool_result"
    tool_call_id: str = Field(description="The call that it answers.")
    name: str = Field(description="The tool.")
    result: Any = Field(description="What the model is shown; of a person's answer, that answer.")
    outcome: ToolOutcome | None = Field(
        default=None, exclude_if=_is_absent, description="Whether it did what was asked."
    )


class ErrorEvent(ControlEvent):
    """Something a person should know: a failure, or that a stop was asked for."""

    type: Literal["error"] = "error"
    message: str = Field(description="For a person.")
    code: str | None = Field(default=None, exclude_if=_is_absent, description="A stable code.")


class MissionStatusChangedEvent(ControlEvent):
    """A person or the agent said how the goal stands."""

    type: Literal["mission_status_changed"] = "mission_status_changed"
    status: MissionStatus = Field(description="How it stands.")
    summary: str | None = Field(description="What was said of it.")
    by: Literal["person", "agent", "system"] = Field(description="Who said so.")


class AgentPhase(ControlEvent):
    """What the agent is about to do."""

    type: Literal["agent_phase"] = "agent_phase"
    phase: str = Field(
        description="`executing`, `compacting`, `waiting`, `recovering` or, of a backend, `noted`."
    )
    detail: str | None = Field(description="The same for a person.")
    agent: str | None = Field(description="Who does it.")


class ChangedFileView(Wire):
    """A file that a run changed."""

    path: str = Field(description="Its path, from the working directory where it lies in there.")
    additions: int = Field(description="Lines that came.")
    deletions: int = Field(description="Lines that went.")
    status: Literal["added", "modified", "deleted"] = Field(description="What became of it.")


class FilesChangedEvent(ControlEvent):
    """What a run has changed, told before it ends."""

    type: Literal["files_changed"] = "files_changed"
    files: list[ChangedFileView] = Field(description="The files, by path.")
    more: int = Field(description="Files beyond those that are listed.")


class RunStartedEvent(ControlEvent):
    """A run has taken messages from the queue."""

    type: Literal["run_started"] = "run_started"
    run_id: str = Field(description="The run.")
    message_ids: list[str] = Field(description="The messages that it carries out.")
    model: str = Field(description="The model that it asks.")


class RunFinishedEvent(ControlEvent):
    """A delegated run has ended; its result goes to the run that delegated."""

    type: Literal["run_finished"] = "run_finished"
    run_id: str = Field(description="The run.")
    outcome: Outcome = Field(description="How it ended.")
    content: str = Field(description="Its last word.")
    cost_cents: int = Field(description="What it has cost in US cents, rounded up.")


class ApprovalRequested(ControlEvent):
    """A tool call waits for somebody's leave."""

    type: Literal["approval_requested"] = "approval_requested"
    tool_call_id: str = Field(description="Answer `allow` or `deny` to this id.")
    call_id: str = Field(description="The call that waits.")
    name: str = Field(description="Its tool.")
    args: dict[str, Any] = Field(description="What it would do.")
    reason: str = Field(description="Which rule asks.")
    until: datetime = Field(description="When the default is taken.")
    default: Any = Field(description="What is taken then.")


class InputRequested(ControlEvent):
    """A tool call waits for somebody's answer."""

    type: Literal["input_requested"] = "input_requested"
    tool_call_id: str = Field(
        description="What is answered: the call, or `ask:<call>` where a list of options was shown "
        "in its place."
    )
    name: str = Field(description="Its tool.")
    until: datetime = Field(description="When the default is taken.")
    default: Any = Field(description="What is taken then.")


class AnswerEvent(ControlEvent):
    """A question is settled."""

    type: Literal["question_settled"] = "question_settled"
    tool_call_id: str = Field(description="What was asked, as `tool_call` had it.")
    is_default: bool = Field(description="Nobody answered in time.")
    answer: Any = Field(description="The answer that counts.")


class MissionCreatedEvent(ControlEvent):
    """A mission exists."""

    type: Literal["mission_created"] = "mission_created"
    title: str | None = Field(description="Its title.")
    forked_from: str | None = Field(
        default=None, exclude_if=_is_absent, description="The mission that it begins as a copy of."
    )
    task: str | None = Field(
        default=None, exclude_if=_is_absent, description="Of a delegated one: the call it is for."
    )


class MissionRenamedEvent(ControlEvent):
    """A mission has another title."""

    type: Literal["mission_renamed"] = "mission_renamed"
    title: str = Field(description="The title.")


class MissionSelectedEvent(ControlEvent):
    """A mission is its owner's current one."""

    type: Literal["mission_selected"] = "mission_selected"


class MissionDeletedEvent(ControlEvent):
    """A mission is gone."""

    type: Literal["mission_deleted"] = "mission_deleted"
    was_current: bool = Field(description="There is no current mission since.")


class MessageEditedEvent(ControlEvent):
    """A waiting message says something else."""

    type: Literal["message_edited"] = "message_edited"
    id: str = Field(description="The message.")
    content: str = Field(description="What it says now.")


class MessageMovedEvent(ControlEvent):
    """A waiting message has another place."""

    type: Literal["message_moved"] = "message_moved"
    id: str = Field(description="The message.")
    before: str | None = Field(description="The message it stands before; none puts it last.")


class MessageRemovedEvent(ControlEvent):
    """A waiting message will not be carried out."""

    type: Literal["message_removed"] = "message_removed"
    id: str = Field(description="The message.")


class QueueReleasedEvent(ControlEvent):
    """A held queue goes on."""

    type: Literal["queue_released"] = "queue_released"


class TextDelta(ControlEvent):
    """A piece of the reply as it is being written."""

    type: Literal["text_delta"] = "text_delta"
    run_id: str = Field(description="The run that writes it.")
    step: int = Field(description="The step whose reply it is.")
    offset: int = Field(description="Characters of the same reply that came before.")
    content: str = Field(description="The piece.")


class ReasoningDelta(TextDelta):
    """A piece of what the model thinks as it is being written."""

    type: Literal["reasoning_delta"] = "reasoning_delta"  # pyright: ignore[reportIncompatibleVariableOverride]


class OutputDelta(TextDelta):
    """A piece of what a running command writes."""

    type: Literal["output_delta"] = "output_delta"  # pyright: ignore[reportIncompatibleVariableOverride]
    tool_call_id: str | None = Field(description="The call whose command it is.")


CONTROL_EVENTS: dict[str, type[BaseModel]] = {
    "user_message": UserMessage,
    "assistant_message": AssistantMessage,
    "thinking": Thinking,
    "tool_call": ToolCallEvent,
    "tool_result": ToolResultEvent,
    "error": ErrorEvent,
    "mission_status_changed": MissionStatusChangedEvent,
    "agent_phase": AgentPhase,
    "files_changed": FilesChangedEvent,
    "run_started": RunStartedEvent,
    "run_finished": RunFinishedEvent,
    "approval_requested": ApprovalRequested,
    "input_requested": InputRequested,
    "question_settled": AnswerEvent,
    "mission_created": MissionCreatedEvent,
    "mission_renamed": MissionRenamedEvent,
    "mission_selected": MissionSelectedEvent,
    "mission_deleted": MissionDeletedEvent,
    "message_edited": MessageEditedEvent,
    "message_moved": MessageMovedEvent,
    "message_removed": MessageRemovedEvent,
    "queue_released": QueueReleasedEvent,
    "status": StatusEvent,
    "agent_tree": AgentTree,
    "progress": ProgressEvent,
    "reset": ControlReset,
    "text_delta": TextDelta,
    "reasoning_delta": ReasoningDelta,
    "output_delta": OutputDelta,
}
"""Every event of the stream, by its name."""
