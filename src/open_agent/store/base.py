"""What an open database offers, whichever it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio

from open_agent.events.blobs import BlobStore
from open_agent.events.log import EventLog
from open_agent.store.accounts import Accounts
from open_agent.store.audit import AuditLog
from open_agent.store.control import ControlRows
from open_agent.store.leases import Leases
from open_agent.store.mcp_servers import McpRows
from open_agent.store.missions import Missions
from open_agent.store.upkeep import Upkeep
from open_agent.store.workspaces import WorkspaceRows


@dataclass(frozen=True, slots=True)
class Database:
    """An open database; `async with` or `close` gives it up.

    Attributes:
        host_id: What tells this `DATA_DIR` from those of other hosts.
        slot: Which of the processes that share `DATA_DIR` this is.
    """

    log: EventLog
    missions: Missions
    control: ControlRows
    leases: Leases
    blobs: BlobStore
    upkeep: Upkeep
    accounts: Accounts
    audit: AuditLog
    mcp: McpRows
    workspaces: WorkspaceRows
    host_id: str
    slot: int
    close: Callable[[], Awaitable[None]]
    """Commit what waits, then close. Safe to call twice."""

    async def __aenter__(self) -> Self:
        """The database itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        with anyio.CancelScope(shield=True):
            await self.close()
