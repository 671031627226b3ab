"""What is remembered of the sessions with one server: the present one, and how earlier ones ended."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from open_agent.core.mcp import McpServer
from open_agent.mcp.client.lines import Tail
from open_agent.mcp.client.masking import Masks

if TYPE_CHECKING:
    from open_agent.mcp.client.link import Link

LONGEST_PAUSE = 60.0


@dataclass(slots=True)
class Slot:
    """What is known of one session, and of those before it."""

    server: McpServer
    link: "Link | None" = None
    ending: "Link | None" = None
    opening: "asyncio.Task[Link] | None" = None
    failures: int = 0
    retry_at: float = 0.0
    error: str | None = None
    stderr: Tail = field(default_factory=Tail)
    sign_in_url: str | None = None
    masks: Masks = field(default_factory=lambda: Masks(()))

    def fail(self, error: str) -> None:
        """It failed once more; the first time it may be tried again at once."""
        self.error = error
        self.failures += 1
        pause = 0.0 if self.failures < 2 else min(LONGEST_PAUSE, 2.0 ** (self.failures - 2))
        self.retry_at = anyio.current_time() + pause

    def look(self) -> "Link | None":
        """The session, if there is one; takes notice of one that has ended."""
        if self.link is not None and not self.link.is_open:
            ended = self.link.state.error
            self.ending, self.link = self.link, None
            if ended is not None:
                self.fail(ended)
        return self.link

    def is_with(self, server: McpServer) -> bool:
        """Whether a session that was begun before is one with the server as it is now."""
        return self._how(server) == self._how(self.server) and server.is_enabled

    @staticmethod
    def _how(server: McpServer) -> tuple[object, ...]:
        return server.transport, server.is_shared, server.is_per_mission
