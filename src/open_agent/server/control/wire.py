"""The JSON of the control API, as the original's clients know it, and the tables of its words.

A mission's status is what a person or the agent said of its goal: our six words are the
original's. What is running is another matter, and never changes the status:

| run state | `state` of `control/running` | `state` of `status` events |
|---|---|---|
| idle, finished | (not listed) | `idle` |
| queued | `queued` | `running` |
| running, waiting for a time | `running` | `running` |
| waiting for a person | `waiting_for_tool` | `waiting_for_tool` |

Fields beyond the original's are ours; its clients pass over them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from open_agent.core.mission import Mission, MissionKind, MissionStatus
from open_agent.core.money import to_cents
from open_agent.core.run import Outcome, RunState
from open_agent.events.model.message import Delivery
from open_agent.server.wire import Wire
from open_agent.services.control.answers import Question
from open_agent.services.control.conversations import is_resumable
from open_agent.services.control.messages import Queued
from open_agent.services.control.tree import Node, NodeStatus, Progress
from open_agent.store.history import Said

ControlState = Literal["idle", "running", "waiting_for_tool"]
RunningState = Literal["queued", "running", "waiting_for_tool", "finished"]

_INTERRUPTED = (MissionStatus.INTERRUPTED, MissionStatus.BLOCKED)


def _is_absent(value: object) -> bool:
    return value is None


class HistoryEntry(Wire):
    """Something that was said."""

    role: Literal["user", "assistant"] = Field(description="Who said it.")
    content: str = Field(description="What was said.")


class MissionItem(Wire):
    """A mission in a list of ours: no history."""

    id: str = Field(description="The mission's id.")
    kind: MissionKind = Field(description="What it was made as.")
    status: MissionStatus = Field(description="What was said of its goal.")
    title: str | None = Field(description="Its title.")
    model_override: str | None = Field(
        default=None, exclude_if=_is_absent, description="The model of messages that name none."
    )
    created_at: datetime = Field(description="When it was made.")
    updated_at: datetime = Field(description="When something happened to it last.")
    interrupted_at: datetime | None = Field(
        default=None, exclude_if=_is_absent, description="Since when it is interrupted or blocked."
    )
    resumable: bool = Field(description="Whether `resume` can go on with it.")
    state: RunState = Field(description="Where its newest run is.")
    outcome: Outcome | None = Field(description="How its newest run ended.")
    summary: str | None = Field(description="What was said when its status was set.")
    queue_len: int = Field(description="Messages that no run has taken yet.")
    is_held: bool = Field(description="A stop holds its queue.")
    messages: int = Field(description="Messages that it was sent, in all.")
    cost_cents: int = Field(description="What it has cost in US cents, rounded up.")
    workspace: str = Field(description="The directory it works in.")
    workspace_id: str = Field(description="The same for `/api/workspaces`.")
    parent_id: str | None = Field(
        default=None, exclude_if=_is_absent, description="The mission that delegated it."
    )
    last_seq: int = Field(description="The `seq` of its newest event; `fork` takes up to it.")


class MissionView(MissionItem):
    """A mission, with what was said in it."""

    history: list[HistoryEntry] = Field(description="What was said, oldest first.")


class RunningMission(Wire):
    """A mission with something to do."""

    mission_id: str = Field(description="The mission.")
    model_override: str | None = Field(description="The model of messages that name none.")
    state: RunningState = Field(description="Where its newest run is.")
    queue_len: int = Field(description="Messages that no run has taken yet.")
    history_len: int = Field(description="Messages that it was sent, in all.")
    seconds_since_activity: int = Field(description="Since when nothing has happened to it.")
    expected_deliverables: int = Field(default=0, description="Always 0.")
    title: str | None = Field(description="Its title.")


class ParallelConfig(Wire):
    """How many missions may be at work at once."""

    max_parallel_missions: int = Field(description="So many of one user's.")
    running_count: int = Field(description="So many are now.")


class TreeNode(Wire):
    """A part of a mission's work."""

    id: str = Field(description="Of a mission its id.")
    type: str = Field(description="`Mission`, `Subagent` or `Todo`.")
    node_type: str = Field(description="The same.")
    name: str = Field(description="In a few words.")
    description: str = Field(description="In more words.")
    status: NodeStatus = Field(description="Where it is.")
    budget_allocated: int = Field(description="What it may cost in US cents; 0 means no limit.")
    budget_spent: int = Field(description="What it has cost in US cents.")
    selected_model: str | None = Field(
        default=None, exclude_if=_is_absent, description="The model that works on it."
    )
    children: list["TreeNode"] = Field(description="What it consists of.")


class ProgressView(Wire):
    """How much of a mission's work is done."""

    total_subtasks: int = Field(description="Parts in all.")
    completed_subtasks: int = Field(description="Parts that are done.")
    current_subtask: str | None = Field(description="The part in work.")
    current_depth: int = Field(description="How deep in the tree that part is.")


class SentMessage(Wire):
    """A message that is accepted and durable."""

    id: str = Field(description="The message's id, as the stream shows it.")
    queued: bool = Field(description="It waits for a run under way, for others, or for a release.")
    mission_id: str = Field(description="The mission that it went to.")


class QueuedMessage(Wire):
    """A message that no run has taken yet."""

    id: str = Field(description="The message's id.")
    content: str = Field(description="What it says now.")
    delivery: Delivery = Field(description="When the agent sees it.")
    at: datetime = Field(description="When it was received.")


class QueueView(Wire):
    """Messages that wait, in the order in which they are carried out."""

    items: list[QueuedMessage] = Field(description="The messages.")
    next: str | None = Field(description="The `cursor` of the next page; none on the last.")
    is_held: bool = Field(description="A stop holds the queue until a message or a release.")


class OpenQuestion(Wire):
    """Something that waits for a person."""

    tool_call_id: str = Field(description="What to answer, at `POST /api/control/tool_result`.")
    mission_id: str = Field(description="The mission that a person sees.")
    child_id: str | None = Field(
        default=None, exclude_if=_is_absent, description="The delegated mission that asks."
    )
    kind: Literal["input", "approval"] = Field(description="A choice, or leave to do something.")
    name: str = Field(description="The tool that asks, or that is asked about.")
    args: dict[str, Any] = Field(description="What is asked, or what the call would do.")
    reason: str = Field(description="Of an approval: which rule asks.")
    until: datetime = Field(description="When the default is taken.")
    default: Any = Field(description="What is taken then.")


class Done(Wire):
    """It is done."""

    ok: bool = Field(default=True, description="Always true.")


def mission_item(mission: Mission) -> MissionItem:
    """A mission as lists of ours show it."""
    return MissionItem(**_fields(mission))


def mission_view(mission: Mission, history: Iterable[Said]) -> MissionView:
    """A mission as the original shows it."""
    entries = [
        HistoryEntry(role=said.role, content=said.content)
        for said in history
        if said.content and not said.content.isspace()
    ]
    return MissionView(**_fields(mission), history=entries)


def _fields(mission: Mission) -> dict[str, Any]:
    return {
        "id": mission.id,
        "kind": mission.kind,
        "status": mission.status,
        "title": mission.title,
        "model_override": mission.wanted_model,
        "created_at": mission.created_at,
        "updated_at": mission.updated_at,
        "interrupted_at": mission.status_at if mission.status in _INTERRUPTED else None,
        "resumable": is_resumable(mission),
        "state": mission.run_state,
        "outcome": mission.outcome,
        "summary": mission.summary,
        "queue_len": mission.queued,
        "is_held": mission.is_held,
        "messages": mission.messages,
        "cost_cents": to_cents(mission.spent_microdollars),
        "workspace": mission.workspace,
        "workspace_id": mission.workspace_id or mission.id,
        "parent_id": mission.parent_id,
        "last_seq": mission.last_seq,
    }


def control_state(mission: Mission | None) -> ControlState:
    """What `status` events say of a mission."""
    if mission is None or mission.run_state in (RunState.IDLE, RunState.FINISHED):
        return "idle"
    is_asking = mission.run_state is RunState.WAITING and mission.questions
    return "waiting_for_tool" if is_asking else "running"


def running_mission(mission: Mission, seconds: int) -> RunningMission:
    """A mission with something to do."""
    state: RunningState = "queued"
    if mission.run_state is not RunState.QUEUED:
        state = "waiting_for_tool" if control_state(mission) == "waiting_for_tool" else "running"
    return RunningMission(
        mission_id=mission.id,
        model_override=mission.wanted_model,
        state=state,
        queue_len=mission.queued,
        history_len=mission.messages,
        seconds_since_activity=seconds,
        title=mission.title,
    )


def tree_node(node: Node) -> TreeNode:
    """A part of a mission's work, with its own."""
    return TreeNode(
        id=node.id,
        type=node.type,
        node_type=node.type,
        name=node.name,
        description=node.description,
        status=node.status,
        budget_allocated=node.budget_allocated,
        budget_spent=node.budget_spent,
        selected_model=node.selected_model,
        children=[tree_node(child) for child in node.children],
    )


def progress_view(progress: Progress) -> ProgressView:
    """How much is done."""
    return ProgressView(
        total_subtasks=progress.total,
        completed_subtasks=progress.completed,
        current_subtask=progress.current,
        current_depth=progress.depth,
    )


def queued_messages(items: Sequence[Queued]) -> list[QueuedMessage]:
    """Messages that wait."""
    return [
        QueuedMessage(
            id=item.id,
            content=item.content,
            delivery=item.waiting.row.delivery,
            at=item.waiting.record.at,
        )
        for item in items
    ]


def open_question(question: Question) -> OpenQuestion:
    """Something that waits for a person."""
    asked = question.asked
    is_child = question.asker_id != question.mission_id
    return OpenQuestion(
        tool_call_id=question.tool_call_id,
        mission_id=question.mission_id,
        child_id=question.asker_id if is_child else None,
        kind=asked.kind,
        name=asked.name,
        args=asked.arguments,
        reason=asked.reason,
        until=asked.until,
        default=asked.default,
    )
