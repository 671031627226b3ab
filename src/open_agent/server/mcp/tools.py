"""What the server offers over MCP: itself. Hand over work, follow it, speak to it, stop it.

Each call is made as the actor of its own request; services decide what is theirs. The docstrings
are what the client's model reads.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import pydantic_core
from pydantic import Field

from open_agent.core.actor import Actor, Scope
from open_agent.core.ids import MissionId
from open_agent.core.mission import Mission, MissionKind
from open_agent.core.money import to_cents
from open_agent.events.model.message import Delivery
from open_agent.server.mcp.progress import LONGEST_WAIT, ProgressReader
from open_agent.server.services import Services
from open_agent.server.wire import task_status
from open_agent.services.access.gate import require_scope
from open_agent.services.control.conversations import NewMission
from open_agent.services.control.messages import NewMessage
from open_agent.services.tasks import TaskRequest
from open_agent.store.paging import MissionFilter, MissionOrder
from open_agent.tools.definition import Effect, tool
from open_agent.tools.registry import Toolbox

NAME = "open-agent"
INSTRUCTIONS = (
    "Open Agent is a server whose agents carry out coding tasks on its machine. Hand a task over"
    " with submit_task, then call read_progress with the `cursor` of its last answer until the"
    " task has ended. A mission is a conversation of several runs: send_message begins or"
    " continues one."
)
MOST_LISTED = 100
MOST_CENTS = 10_000_000_000

Limit = Annotated[int, Field(ge=1, le=MOST_LISTED)]


@dataclass(frozen=True, slots=True)
class ServerCall:
    """Who calls, and what they can ask."""

    actor: Actor
    services: Services

    def require(self, scope: Scope) -> None:
        """Go on only if the credential is good for this; see `require_scope`."""
        require_scope(self.actor, scope)


@tool(effect=Effect.DELEGATE, timeout=60)
async def submit_task(
    ctx: ServerCall,
    task: str,
    model: str | None = None,
    working_dir: str | None = None,
    budget_cents: Annotated[int, Field(ge=0, le=MOST_CENTS)] | None = None,
    idempotency_key: Annotated[str, Field(min_length=1, max_length=200)] | None = None,
) -> str:
    """Hand over a task. An agent carries it out on the server's machine, from now on by itself.

    Returns the task's `id` at once; follow it with read_progress.

    Args:
        task: What is to be done, with everything the agent must know: it sees nothing else.
        model: The model to use; by default the server's.
        working_dir: An absolute path on the server's machine; by default a new, empty folder.
        budget_cents: What it may cost in US cents; 0 means no limit.
        idempotency_key: Made by you; calling again with the same key returns the same task.
    """
    ctx.require(Scope.WRITE)
    request = TaskRequest(task, model, working_dir, budget_cents)
    mission = await ctx.services.tasks.submit(ctx.actor, request, key=idempotency_key)
    return _json(_item(mission))


@tool(effect=Effect.READ, timeout=LONGEST_WAIT + 30)
async def read_progress(
    ctx: ServerCall,
    id: str,
    cursor: Annotated[int, Field(ge=0)] = 0,
    wait_seconds: Annotated[int, Field(ge=0, le=LONGEST_WAIT)] = 0,
) -> str:
    """Read how a task or a mission stands, and what has happened since you read last.

    Returns its status, the `log` after `cursor`, a new `cursor` for the next call, questions that
    wait for an answer, and the `result` once the work has ended. `is_more` says that there is more
    to read now.

    Args:
        id: The task's or mission's id.
        cursor: The `cursor` of your last call; 0 reads from the beginning.
        wait_seconds: Wait up to so long for something new, instead of asking again and again.
    """
    ctx.require(Scope.READ)
    reader = ProgressReader(ctx.actor, ctx.services)
    return _json(await reader.read(MissionId(id.lower()), cursor, wait_seconds))


@tool(effect=Effect.DELEGATE, timeout=60)
async def send_message(
    ctx: ServerCall,
    content: str,
    mission_id: str | None = None,
    model: str | None = None,
    delivery: Delivery = "queue",
    idempotency_key: str | None = None,
) -> str:
    """Say something to a mission; its agent works on it. Without a mission, begin a new one.

    Returns the `mission_id`; follow it with read_progress.

    Args:
        content: What to say.
        mission_id: As list_missions or an earlier message returned it.
        model: The model for the run that the message starts.
        delivery: `queue`: when the present run has ended; `steer`: seen by the present run at its
            next step; `interrupt`: stops the present run first.
        idempotency_key: Made by you; the same key again sends nothing new to the same mission.
    """
    ctx.require(Scope.WRITE)
    control = ctx.services.control
    if mission_id is None:
        new = NewMission(model=model)
        made = await control.conversations.create(ctx.actor, new, key=idempotency_key)
        mission_id = made.id
    message = NewMessage(content, MissionId(mission_id.lower()), model, delivery, idempotency_key)
    sent = await control.messages.send(ctx.actor, message)
    return _json(
        {"mission_id": sent.mission_id, "message_id": sent.message_id, "is_queued": sent.is_queued}
    )


@tool(effect=Effect.EXECUTE, timeout=30)
async def answer_question(
    ctx: ServerCall, question_id: str, answer: Any, mission_id: str | None = None
) -> str:
    """Answer a question that read_progress showed; the run that asked goes on.

    Args:
        question_id: The question's `id`.
        answer: Of an approval `allow` or `deny`; of a choice the id of the option, or a list of
            ids; null where nothing fits.
        mission_id: The mission that asks.
    """
    ctx.require(Scope.WRITE)
    where = None if mission_id is None else MissionId(mission_id.lower())
    await ctx.services.control.answers.answer(ctx.actor, question_id, answer, where)
    return _json({"answered": question_id})


@tool(effect=Effect.EXECUTE, timeout=60)
async def stop(ctx: ServerCall, id: str) -> str:
    """Stop a task, or the present run of a mission, with every process it has started.

    Args:
        id: The task's or mission's id.
    """
    ctx.require(Scope.WRITE)
    services = ctx.services
    mission = await services.missions.get(ctx.actor, MissionId(id.lower()))
    if mission.kind is MissionKind.TASK:
        await services.tasks.stop(ctx.actor, mission.id)
    else:
        await services.control.messages.cancel(ctx.actor, mission.id)
    return _json(_item(await services.missions.get(ctx.actor, mission.id)))


@tool(effect=Effect.READ, timeout=30)
async def list_tasks(ctx: ServerCall, limit: Limit = 20, cursor: str | None = None) -> str:
    """List your tasks, newest first. `next` is the `cursor` of the next page.

    Args:
        limit: How many.
        cursor: The `next` of the page before.
    """
    ctx.require(Scope.READ)
    page = await ctx.services.tasks.page(ctx.actor, after=cursor, limit=limit)
    return _json({"items": [_item(mission) for mission in page.items], "next": page.next})


@tool(effect=Effect.READ, timeout=30)
async def list_missions(ctx: ServerCall, limit: Limit = 20, cursor: str | None = None) -> str:
    """List your missions, the one changed last first. `next` is the `cursor` of the next page.

    Args:
        limit: How many.
        cursor: The `next` of the page before.
    """
    ctx.require(Scope.READ)
    page = await ctx.services.control.conversations.page(
        ctx.actor,
        MissionFilter(kinds=(MissionKind.MISSION,)),
        MissionOrder.UPDATED,
        after=cursor,
        limit=limit,
    )
    return _json({"items": [_item(mission) for mission in page.items], "next": page.next})


TOOLS: Toolbox[ServerCall] = Toolbox(
    (submit_task, read_progress, send_message, answer_question, stop, list_tasks, list_missions)
)


def _item(mission: Mission) -> dict[str, Any]:
    is_task = mission.kind is MissionKind.TASK
    return {
        "id": mission.id,
        "title": mission.title,
        "status": task_status(mission.run_state, mission.outcome) if is_task else mission.status,
        "run": mission.run_state,
        "created_at": mission.created_at,
        "cost_cents": to_cents(mission.spent_microdollars),
    }


def _json(value: dict[str, Any]) -> str:
    return pydantic_core.to_json(value).decode()
