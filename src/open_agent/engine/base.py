"""The port: something that makes sure that missions with work get a worker.

Losing a wake-up loses time, never work: the store knows which missions have something to do.
"""

from typing import Protocol

from open_agent.core.ids import MissionId


class Engine(Protocol):
    """Finds work, gives it to workers within the limits, and stops in good order."""

    async def start(self) -> None:
        """Begin to work, with whatever was left unfinished."""
        ...

    def wake(self, mission_id: MissionId) -> None:
        """Something happened to a mission that may be work; never blocks."""
        ...

    def cut(self, mission_id: MissionId) -> None:
        """End the work in hand on a mission though the log cannot be told; never blocks.

        What ran is ended. The mission is taken up again when the log can be written.
        """
        ...

    async def drain(self, seconds: float) -> None:
        """Begin no move, let those in hand finish for so long, then end them."""
        ...

    @property
    def active(self) -> int:
        """Missions being worked on by this process now."""
        ...
