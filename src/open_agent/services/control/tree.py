"""What a mission's work consists of: a tree, folded from its log and those of its children.

Pure functions. The root is the mission; below it stand the items of its newest plan and the
missions that it delegated, each with what it consists of in turn. Money is in US cents, as the
original's clients show it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from open_agent.core.ids import CallId, RunId
from open_agent.core.mission import Mission, MissionStatus
from open_agent.core.money import to_cents
from open_agent.core.run import Outcome, RunState
from open_agent.events.model.message import MessageReceived
from open_agent.events.model.mission import MissionCreated
from open_agent.events.model.model_call import ModelAnswered, ModelFailed
from open_agent.events.model.run import RunFinished, RunStarted
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.record import Record

TREE_TYPES = frozenset({
    "mission.created", "message.received", "run.started", "run.finished", "model.answered",
    "model.failed", "tool.called", "tool.returned",
})  # fmt: skip
"""What a tree follows from."""
PLANS = {"update_plan": "items", "todowrite": "todos"}
"""Tools whose newest call is the plan, and where in its arguments that is."""
DESCRIPTION_CHARACTERS = 300
NAME_CHARACTERS = 120


class NodeStatus(StrEnum):
    """Where a part of the work is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Node:
    """A part of the work. Budgets are cents; 0 allocated means that nothing limits it."""

    id: str
    type: str
    name: str
    description: str
    status: NodeStatus
    budget_allocated: int = 0
    budget_spent: int = 0
    selected_model: str | None = None
    children: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of a tree is done."""

    total: int = 0
    completed: int = 0
    current: str | None = None
    depth: int = 0


@dataclass(slots=True)
class Delegation:
    """A call that delegated, to a mission or to a subagent of the backend."""

    task: str
    title: str | None = None
    is_helper: bool = False
    """It has no mission, and works from its call on."""
    within: CallId | None = None
    """The call whose subagent made it."""
    spent: int = 0
    """Micro-dollars, by a subagent; what a mission spent is its own to say."""
    model: str | None = None
    is_returned: bool = False
    is_ok: bool = False


@dataclass(slots=True)
class Work:
    """What a mission's log says of the parts of its work."""

    seq: int = 0
    call_id: CallId | None = None
    """Of a delegated mission: the call that it carries out."""
    said: str = ""
    """The newest message."""
    run_id: RunId | None = None
    outcome: Outcome | None = None
    model: str | None = None
    budget: int = 0
    spent: int = 0
    """Micro-dollars, by the newest run alone, without what subagents spent."""
    plan: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Contents and states."""
    delegated: dict[CallId, Delegation] = field(default_factory=dict[CallId, Delegation])
    """By the newest run."""

    def apply(self, record: Record) -> bool:
        """Take in the next record; whether it changes the tree."""
        self.seq = record.seq
        event = record.event
        match event:
            case MissionCreated():
                self.call_id = event.parent and event.parent.call_id
            case MessageReceived():
                self.said = event.content[:DESCRIPTION_CHARACTERS]
            case RunStarted():
                self._start(record.run_id, event)
            case RunFinished():
                self.outcome = event.outcome
            case ModelAnswered() | ModelFailed():
                self._pay(event)
            case ToolCalled():
                return self._call(event)
            case ToolReturned():
                return self._return(event)
            case _:
                return False
        return True

    def _start(self, run_id: RunId | None, event: RunStarted) -> None:
        self.run_id, self.outcome, self.model = run_id, None, event.model
        self.budget, self.spent = event.limits.budget_microdollars, 0
        self.delegated = {}

    def _pay(self, event: ModelAnswered | ModelFailed) -> None:
        helper = self.delegated.get(event.within) if event.within else None
        if helper is not None:
            helper.spent += event.cost_microdollars
            helper.model = event.model
            return
        self.spent += event.cost_microdollars
        if isinstance(event, ModelAnswered):
            self.model = event.model

    def _call(self, event: ToolCalled) -> bool:
        arguments = event.arguments
        if event.name in PLANS and event.within is None:
            self.plan = list(_plan(arguments))
        elif event.effect == "delegate":
            task = _text(arguments.get("task")) or _text(arguments.get("prompt"))
            title = _text(arguments.get("title")) or _text(arguments.get("description"))
            is_helper = event.name != "delegate"
            self.delegated[event.call_id] = Delegation(task, title or None, is_helper, event.within)
        else:
            return False
        return True

    def _return(self, event: ToolReturned) -> bool:
        delegation = self.delegated.get(event.call_id)
        if delegation is None:
            return False
        delegation.is_returned, delegation.is_ok = True, event.outcome == "ok"
        return True


@dataclass(frozen=True, slots=True)
class Part:
    """A mission with its work and what it delegated."""

    mission: Mission
    work: Work
    children: Sequence["Part"] = ()


def tree_of(part: Part) -> Node:
    """The tree of a mission."""
    children = (*_todo_nodes(part), *_delegated_nodes(part))
    spent = to_cents(part.work.spent) + sum(node.budget_spent for node in children)
    mission = part.mission
    is_child = mission.parent_id is not None
    return Node(
        id=mission.id,
        type="Subagent" if is_child else "Mission",
        name=_cut(mission.title or part.work.said or "Mission", NAME_CHARACTERS),
        description=_cut(mission.summary or part.work.said, DESCRIPTION_CHARACTERS),
        status=status_of(mission),
        budget_allocated=to_cents(part.work.budget),
        budget_spent=spent,
        selected_model=part.work.model or mission.wanted_model,
        children=children,
    )


def progress_of(tree: Node) -> Progress:
    """How much of a tree is done, and which part is in work."""
    parts = list(_below(tree, 1))
    running = [(depth, node) for depth, node in parts if node.status is NodeStatus.RUNNING]
    # Of parts in work, the innermost: what holds it is in work too.
    depth, current = max(running, key=lambda found: found[0]) if running else (0, None)
    return Progress(
        total=len(parts),
        completed=sum(node.status is NodeStatus.COMPLETED for _, node in parts),
        current=current.name if current else None,
        depth=depth,
    )


def status_of(mission: Mission) -> NodeStatus:
    """Where a mission is, in the words of trees."""
    if mission.run_state in (RunState.RUNNING, RunState.WAITING):
        return NodeStatus.RUNNING
    if mission.run_state is RunState.QUEUED:
        return NodeStatus.PENDING
    match mission.status:
        case MissionStatus.COMPLETED:
            return NodeStatus.COMPLETED
        case MissionStatus.FAILED | MissionStatus.NOT_FEASIBLE:
            return NodeStatus.FAILED
        case _ if mission.outcome is None:
            return NodeStatus.PENDING
        case _:
            is_good = mission.outcome is Outcome.SUCCEEDED
            return NodeStatus.COMPLETED if is_good else NodeStatus.FAILED


def _todo_nodes(part: Part) -> Iterator[Node]:
    is_working = part.mission.run_state in (RunState.RUNNING, RunState.WAITING)
    states = {
        "completed": NodeStatus.COMPLETED,
        "cancelled": NodeStatus.FAILED,
        "in_progress": NodeStatus.RUNNING if is_working else NodeStatus.PENDING,
    }
    for number, (content, state) in enumerate(part.work.plan, 1):
        yield Node(
            id=f"{part.mission.id}.todo-{number}",
            type="Todo",
            name=_cut(content, NAME_CHARACTERS),
            description=content,
            status=states.get(state, NodeStatus.PENDING),
        )


def _delegated_nodes(part: Part) -> Iterator[Node]:
    children = {child.work.call_id: child for child in part.children}
    for call_id, delegation in part.work.delegated.items():
        child = children.get(call_id)
        if child is not None:
            yield tree_of(child)
        elif delegation.within is None:
            yield _helper_node(part, call_id, delegation)


def _helper_node(part: Part, call_id: CallId, delegation: Delegation) -> Node:
    """What a subagent does, or a part whose mission does not exist yet."""
    if delegation.is_returned:
        status = NodeStatus.COMPLETED if delegation.is_ok else NodeStatus.FAILED
    elif part.mission.run_state not in (RunState.RUNNING, RunState.WAITING):
        status = NodeStatus.FAILED
    else:
        status = NodeStatus.RUNNING if delegation.is_helper else NodeStatus.PENDING
    below = tuple(
        _helper_node(part, inner, each)
        for inner, each in part.work.delegated.items()
        if each.within == call_id
    )
    return Node(
        id=call_id,
        type="Subagent",
        name=_cut(delegation.title or delegation.task, NAME_CHARACTERS),
        description=_cut(delegation.task, DESCRIPTION_CHARACTERS),
        status=status,
        budget_spent=to_cents(delegation.spent) + sum(node.budget_spent for node in below),
        selected_model=delegation.model,
        children=below,
    )


def _below(node: Node, depth: int) -> Iterator[tuple[int, Node]]:
    for child in node.children:
        yield depth, child
        yield from _below(child, depth + 1)


def _plan(arguments: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in PLANS.values():
        items = arguments.get(name)
        for item in cast("list[Any]", items) if isinstance(items, list) else []:
            if isinstance(item, dict):
                fields = cast("dict[str, Any]", item)
                state = _text(fields.get("state")) or _text(fields.get("status"))
                yield _text(fields.get("content")), state


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _cut(text: str, limit: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
