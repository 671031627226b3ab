"""The port: carry on a mission's active run until it ends or has to wait.

A backend is handed a context whose run has started and whose crash has been settled. It appends
what happens as it happens, hears cancels through `RunContext.interruptible`, and may be started
again on the same run at any time.
"""

from typing import Protocol

from open_agent.agent.context import RunContext
from open_agent.agent.loop import Parked
from open_agent.core.run import Outcome


class Backend(Protocol):
    """One way of carrying out runs."""

    @property
    def name(self) -> str:
        """As `run.started` records it."""
        ...

    async def recover(self, ctx: RunContext) -> None:
        """Settle what a dead worker left in flight; called once per lease, before `carry_on`."""
        ...

    async def carry_on(self, ctx: RunContext) -> Outcome | Parked:
        """Work on the active run.

        Raises:
            LeaseLost: Another worker has the mission; nothing more may be done for it.
        """
        ...
