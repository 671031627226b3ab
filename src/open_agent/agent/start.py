"""Starting a run: which messages it takes, on which model, under which limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from open_agent.agent.context import RunContext
from open_agent.agent.instructions import read_instructions
from open_agent.core.ids import MessageId, RunId, new_uuid
from open_agent.core.run import Limits
from open_agent.events.fold import MissionState, PendingMessage
from open_agent.events.model.message import RunOptions
from open_agent.events.model.notice import NoticeGiven
from open_agent.events.model.run import RunStarted


@dataclass(frozen=True, slots=True)
class RunDefaults:
    """What holds for runs whose message does not say otherwise."""

    model: str
    fallback_model: str | None
    limits: Limits
    backend: str = "native"


def choose_messages(state: MissionState) -> list[PendingMessage]:
    """What the next run is about: an interrupting message first, else the oldest.

    Steering messages that no model call saw come along. Nothing while the queue is held.
    """
    if state.is_held:
        return []
    interrupts = [message for message in state.pending if message.delivery == "interrupt"]
    steering = [message for message in state.pending if message.delivery == "steer"]
    queued = [message for message in state.pending if message.delivery == "queue"]
    return steering + (interrupts or queued[:1])


async def start_run(ctx: RunContext, defaults: RunDefaults, notes: Sequence[str] = ()) -> bool:
    """Append the start of a run that takes the mission's next messages.

    False when the log had moved, so that other messages may be next. The model is told `notes`.
    """
    messages = choose_messages(ctx.state)
    options = messages[-1].options
    run_id, parent = RunId(new_uuid()), ctx.state.parent
    return await ctx.append(
        RunStarted(
            message_ids=[MessageId(message.message_id) for message in messages],
            backend=options.backend or ctx.state.backend or defaults.backend,
            model=options.model or ctx.state.model or defaults.model,
            fallback_model=defaults.fallback_model,
            limits=_limits(options, defaults.limits),
            root_run_id=parent.root_run_id if parent else run_id,
            instructions=await read_instructions(ctx.workspace),
        ),
        *(NoticeGiven(kind="note", content=note) for note in notes),
        run_id=run_id,
    )


def _limits(options: RunOptions, defaults: Limits) -> Limits:
    budget = options.budget_microdollars
    return Limits(
        steps=options.steps or defaults.steps,
        wall_seconds=options.wall_seconds or defaults.wall_seconds,
        budget_microdollars=defaults.budget_microdollars if budget is None else budget,
    )
