"""Our own loop as a backend."""

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked, carry_on_within_budget
from open_agent.agent.recovery import recover
from open_agent.core.run import Outcome


class NativeBackend:
    """Asks the model, runs the tools, on this machine."""

    name = "native"

    async def recover(self, ctx: RunContext) -> None:
        """Answer what was in flight as unknown, on the log."""
        await recover(ctx)

    async def carry_on(self, ctx: RunContext) -> Outcome | Parked:
        """Work on the active run until it ends or has to wait."""
        return await carry_on_within_budget(ctx)
