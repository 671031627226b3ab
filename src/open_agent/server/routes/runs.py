"""Runs and memory, as the original's clients know them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from open_agent.core.ids import RunId
from open_agent.core.money import to_cents
from open_agent.events.model.model_call import ModelAnswered, ModelFailed
from open_agent.events.model.run import RunFinished
from open_agent.events.model.tool import ToolCalled, ToolReturned
from open_agent.events.record import Record
from open_agent.server.deps import UUID, AllServices, CurrentActor
from open_agent.server.descriptions import failing
from open_agent.server.wire import STATUS_OF_OUTCOME, TaskStatus, Wire
from open_agent.services.control.runs import RunView
from open_agent.services.control.tree import Node

PREVIEW = 1000

router = APIRouter(prefix="/api", tags=["runs"], responses=failing(401, 422))


def _is_absent(value: object) -> bool:
    return value is None


class RunItem(Wire):
    """A run."""

    id: str = Field(description="The run's id.")
    created_at: datetime = Field(description="When it began.")
    updated_at: datetime = Field(description="When it ended; while it lasts, when it began.")
    status: TaskStatus = Field(description="Where it is.")
    input_text: str = Field(description="What it was asked.")
    final_output: str | None = Field(description="Its last word.")
    total_cost_cents: int = Field(description="What it has cost in US cents, rounded up.")
    summary_text: str | None = Field(default=None, description="Always null.")
    archive_path: str | None = Field(default=None, description="Always null.")
    mission_id: str = Field(description="The mission it is of.")


class RunPage(Wire):
    """Some runs, newest first."""

    runs: list[RunItem] = Field(description="The runs.")
    limit: int = Field(description="At most so many.")
    offset: int = Field(description="After so many.")


class RunEvent(Wire):
    """Something that happened in a run."""

    id: int = Field(description="Its `seq` in the mission.")
    run_id: str = Field(description="The run.")
    seq: int = Field(description="The same as `id`.")
    ts: datetime = Field(description="When it happened.")
    agent_type: str = Field(description="Who did it.")
    event_kind: str = Field(description="What it was, in the original's words where it has one.")
    preview_text: str | None = Field(
        default=None, exclude_if=_is_absent, description="The beginning of its text."
    )
    meta: dict[str, Any] | None = Field(
        default=None, exclude_if=_is_absent, description="Facts that belong to it."
    )
    prompt_tokens: int | None = Field(
        default=None, exclude_if=_is_absent, description="Tokens read."
    )
    completion_tokens: int | None = Field(
        default=None, exclude_if=_is_absent, description="Tokens written."
    )
    cost_cents: int | None = Field(
        default=None, exclude_if=_is_absent, description="What it cost in US cents, rounded up."
    )


class RunEvents(Wire):
    """What happened in a run."""

    run_id: str = Field(description="The run.")
    events: list[RunEvent] = Field(description="In order.")


class RunTask(Wire):
    """A part of a run's work."""

    id: str = Field(description="The part.")
    run_id: str = Field(description="The run.")
    parent_id: str | None = Field(description="The part that it is a part of.")
    depth: int = Field(description="How deep in the tree it is.")
    seq: int = Field(description="Its place among all.")
    description: str = Field(description="What it is.")
    status: str = Field(description="Where it is.")
    complexity_score: float | None = Field(default=None, description="Always null.")
    model_used: str | None = Field(description="The model that works on it.")
    budget_cents: int | None = Field(description="What it may cost in US cents.")
    spent_cents: int | None = Field(description="What it has cost in US cents.")
    output: str | None = Field(default=None, description="Always null.")
    created_at: datetime = Field(description="When the run began.")
    completed_at: datetime | None = Field(description="When the run ended.")


class RunTasks(Wire):
    """The parts of a run's work."""

    run_id: str = Field(description="The run.")
    tasks: list[RunTask] = Field(description="In the order of the tree.")


class MemorySearch(Wire):
    """What is remembered: nothing, until there is a memory."""

    query: str = Field(description="What was looked for.")
    results: list[dict[str, Any]] = Field(description="Always empty.")


async def get_run_id(
    id: Annotated[str, Path(description="The run's id.", json_schema_extra=UUID)],
) -> RunId:
    """A run's id in the form that we hand out; the service says whether it is one."""
    return RunId(id.lower())


RunIdInPath = Annotated[RunId, Depends(get_run_id)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]


@router.get("/runs", responses=failing(422))
async def list_runs(
    actor: CurrentActor,
    services: AllServices,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9, description="After so many.")] = 0,
) -> RunPage:
    """The caller's runs, newest first."""
    found = await services.control.runs.page(actor, limit=limit, offset=offset)
    return RunPage(runs=[_item(view) for view in found], limit=limit, offset=offset)


@router.get("/runs/{id}", responses=failing(404))
async def get_run(run_id: RunIdInPath, actor: CurrentActor, services: AllServices) -> RunItem:
    """A run."""
    return _item(await services.control.runs.get(actor, run_id))


@router.get("/runs/{id}/events", responses=failing(404, 422))
async def list_run_events(
    run_id: RunIdInPath, actor: CurrentActor, services: AllServices, limit: Limit = 1000
) -> RunEvents:
    """What happened in a run; `GET /api/missions/{id}/events` has all of each event."""
    records = await services.control.runs.records(actor, run_id, limit=limit)
    return RunEvents(run_id=run_id, events=[_event(record) for record in records])


@router.get("/runs/{id}/tasks", responses=failing(404))
async def list_run_tasks(
    run_id: RunIdInPath, actor: CurrentActor, services: AllServices
) -> RunTasks:
    """The parts of a run's work: its plan, and what it delegated."""
    view = await services.control.runs.get(actor, run_id)
    tree = await services.control.runs.tree(actor, run_id)
    tasks: list[RunTask] = []
    if tree is not None:
        _add_tasks(tasks, view, tree, None, 0)
    return RunTasks(run_id=run_id, tasks=tasks)


@router.get("/memory/search", responses=failing(422))
async def search_memory(
    actor: CurrentActor,
    q: Annotated[str, Query(max_length=1000, description="What to look for.")],
) -> MemorySearch:
    """Nothing is remembered from run to run yet."""
    del actor
    return MemorySearch(query=q, results=[])


def _item(view: RunView) -> RunItem:
    row = view.row
    status = STATUS_OF_OUTCOME[row.outcome] if row.outcome else TaskStatus.RUNNING
    return RunItem(
        id=row.run_id,
        created_at=row.started_at,
        updated_at=row.finished_at or row.started_at,
        status=status,
        input_text=view.input_text,
        final_output=view.finished.result if view.finished else None,
        total_cost_cents=to_cents(row.spent),
        mission_id=row.mission_id,
    )


def _event(record: Record) -> RunEvent:
    kind, text, extra = _described(record)
    return RunEvent(
        id=record.seq,
        run_id=str(record.run_id),
        seq=record.seq,
        ts=record.at,
        agent_type="native",
        event_kind=kind,
        preview_text=text[:PREVIEW] or None,
        **extra,
    )


def _described(record: Record) -> tuple[str, str, dict[str, Any]]:
    """The original's word for an event, its text, and what else is known of it."""
    match record.event:
        case ModelAnswered() as event:
            extra = {
                "prompt_tokens": event.usage.input_tokens,
                "completion_tokens": event.usage.output_tokens,
                "cost_cents": to_cents(event.cost_microdollars),
                "meta": {"model": event.model, "step": event.step},
            }
            return "llm_response", event.text, extra
        case ModelFailed() as event:
            return "error", event.message, {"meta": {"code": event.code}}
        case ToolCalled() as event:
            return "tool_call", event.name, {"meta": {"call_id": event.call_id}}
        case ToolReturned() as event:
            meta = {"call_id": event.call_id, "outcome": event.outcome}
            return "tool_result", event.content, {"meta": meta}
        case RunFinished() as event:
            return "task_end", event.result, {"meta": {"outcome": event.outcome}}
        case _:
            words = {"run.started": "task_start", "model.asked": "llm_request"}
            type_ = record.event.type
            return words.get(type_, type_), "", {}


def _add_tasks(
    tasks: list[RunTask], view: RunView, node: Node, parent_id: str | None, depth: int
) -> None:
    tasks.append(
        RunTask(
            id=node.id,
            run_id=view.row.run_id,
            parent_id=parent_id,
            depth=depth,
            seq=len(tasks),
            description=node.description or node.name,
            status=node.status,
            model_used=node.selected_model,
            budget_cents=node.budget_allocated,
            spent_cents=node.budget_spent,
            created_at=view.row.started_at,
            completed_at=view.row.finished_at,
        )
    )
    for child in node.children:
        _add_tasks(tasks, view, child, node.id, depth + 1)
