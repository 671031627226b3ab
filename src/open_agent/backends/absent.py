"""A backend that is not here any more: its missions say so, and go on once it is back."""

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked, finish
from open_agent.agent.moves import Stop
from open_agent.agent.recovery import recover
from open_agent.core.run import Outcome


class AbsentBackend:
    """Ends runs that were begun with it, or were asked to be.

    Args:
        name: Its name.
        message: For a person: why it is not here, and how it comes back.
    """

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        self._stop = Stop(Outcome.FAILED, "backend.unknown", message)

    async def recover(self, ctx: RunContext) -> None:
        """Answer what was in flight as unknown: nobody is here who could say more."""
        await recover(ctx)

    async def carry_on(self, ctx: RunContext) -> Outcome | Parked:
        """End the run."""
        while not await finish(ctx, self._stop):
            pass
        return self._stop.outcome
