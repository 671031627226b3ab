"""Taking up a run whose worker died: what was in flight is settled on the log, not repeated.

By the time this runs, nothing that the dead worker started still runs (the supervisor has ended
it), so an outcome that is unknown stays unknown.
"""

from open_agent.agent.asking import lost
from open_agent.agent.context import RunContext
from open_agent.events.model.run import RunRecovered
from open_agent.events.model.tool import ToolReturned
from open_agent.events.model.union import Event

MADE_AGAIN = ("read", "delegate")
"""Effects of calls that are simply made again. One that asks a person has not begun anything."""
OUTCOME_UNKNOWN = (
    "Outcome unknown: the server stopped while this call ran, and the call was ended. It may have "
    "taken effect in whole, in part or not at all. Look before doing it again."
)


async def recover(ctx: RunContext) -> None:
    """Settle what was in flight. Does nothing when nothing was."""
    run = ctx.run
    called = [call for call in run.unanswered if call.stage == "called"]
    begun = [call for call in called if call.effect not in (*MADE_AGAIN, "ask")]
    again = [call for call in called if call.effect in MADE_AGAIN]
    if run.asked is None and not begun and not again:
        return
    events: list[Event] = [
        RunRecovered(epoch=ctx.epoch, unanswered=[call.call.call_id for call in begun])
    ]
    if run.asked is not None:
        events.append(
            lost(
                ctx,
                run.asked,
                "server.stopped",
                "The server stopped while the model answered; the call is made again.",
            )
        )
    events += (
        ToolReturned(
            call_id=call.call.call_id,
            name=call.call.name,
            outcome="unknown",
            content=OUTCOME_UNKNOWN,
            duration_ms=0,
        )
        for call in begun
    )
    await ctx.append(*events)
