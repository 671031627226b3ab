"""What MCP servers there are, whose they are, and what they were last seen to offer.

What the database holds is read once and kept; `refresh` reads it again after a change of our own,
and every few seconds if another process may have made one. Whoever works with what is kept
compares `version`, which changes with it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import anyio
import structlog

from open_agent.core.actor import Actor
from open_agent.core.errors import Conflict, NotFound, OpenAgentError
from open_agent.core.ids import UserId
from open_agent.core.mcp import CLIENT_SECRET, McpListing, McpSecret, McpServer, SecretKind
from open_agent.services.access.gate import require_admin
from open_agent.store.mcp_servers import EVERYBODY, McpRows, McpSnapshot

LOOK_SECONDS = 2.0
"""How often it is looked for changes of other processes."""
COUNT_SECONDS = 5.0
"""How often what was counted is written down."""
_EMPTY = McpSnapshot(0, (), frozenset(), frozenset())

log = structlog.get_logger(__name__)


class McpDirectory:
    """Looks servers up, keeps what they say, and counts their calls; see `Keeper`."""

    def __init__(self, rows: McpRows) -> None:
        self.rows = rows
        self.version = 0
        """Another one whenever something has changed."""
        self.turn = anyio.Lock()
        """Whoever changes something holds it from looking to writing."""
        self._snapshot = _EMPTY
        self._counts: dict[str, tuple[int, int]] = {}

    async def refresh(self) -> None:
        """Read everything again."""
        self._snapshot = await self.rows.snapshot_for_system()
        self.version += 1

    async def refresh_if_changed(self) -> bool:
        """Read everything again when another process has changed something; whether one has."""
        has_changed = await self.rows.number_for_system() != self._snapshot.number
        if has_changed:
            await self.refresh()
        return has_changed

    @property
    def enabled(self) -> list[McpServer]:
        """Every server that may be used, by whomever."""
        return [each for each in self._snapshot.servers if each.is_enabled]

    def visible(self, owner: UserId) -> list[McpServer]:
        """The servers that a user may use, oldest first: everybody's, and their own."""
        return [
            self.with_counts(each)
            for each in self._snapshot.servers
            if each.is_shared or each.owner_id == owner
        ]

    def get(self, actor: Actor, server_id: str) -> McpServer:
        """A server that an actor may use.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
        """
        for each in self._snapshot.servers:
            if each.id == server_id and (each.is_shared or each.owner_id == actor.user_id):
                return self.with_counts(each)
        raise NotFound("mcp.not_found", f"There is no MCP server {server_id}.")

    def usable(self, actor: Actor, server_id: str) -> McpServer:
        """A server that an actor may use, and that may be used.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Conflict: It is disabled (`mcp.disabled`).
        """
        server = self.get(actor, server_id)
        if not server.is_enabled:
            raise Conflict(
                "mcp.disabled", f"The server {server.name} is disabled. Enable it first."
            )
        return server

    def changeable(self, actor: Actor, server_id: str) -> McpServer:
        """A server that an actor may change.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Refused: It is for everybody, and the actor is no administrator.
        """
        server = self.get(actor, server_id)
        if server.is_shared:
            require_admin(actor)
        return server

    def named(self, server: McpServer, owner: UserId | None = None) -> list[tuple[SecretKind, str]]:
        """Which secrets a server has: those of its configuration, or what a user has signed in."""
        whose = owner or server.owner_id
        found = [
            (kind, name)
            for id_, owner_id, kind, name in self._snapshot.named
            if id_ == server.id and owner_id == whose
        ]
        return sorted(found)

    def is_taken(self, name: str, *, is_shared: bool, owner: UserId, but: str = "") -> bool:
        """Whether a name is another server's, of those beside which it would stand."""
        return any(
            each.name == name
            and each.id != but
            and each.is_shared == is_shared
            and (is_shared or each.owner_id == owner)
            for each in self._snapshot.servers
        )

    def is_off(self, tool: str, owner: UserId) -> bool:
        """Whether a tool is switched off for a user, by themselves or for everybody."""
        off = self._snapshot.switched_off
        return (EVERYBODY, tool) in off or (owner, tool) in off

    def is_off_for_all(self, tool: str) -> bool:
        """Whether a tool is switched off for everybody."""
        return (EVERYBODY, tool) in self._snapshot.switched_off

    @property
    def seeded(self) -> frozenset[str]:
        """What has been added once of what comes with us."""
        return self._snapshot.seeded

    @property
    def has_switches(self) -> bool:
        """Whether any tool is switched off for anybody."""
        return bool(self._snapshot.switched_off)

    @property
    def has_servers(self) -> bool:
        """Whether any server is enabled."""
        return any(each.is_enabled for each in self._snapshot.servers)

    async def secrets(self, server: McpServer, owner: UserId) -> Sequence[McpSecret]:
        """What a session of the owner's with the server needs to know."""
        found = await self.rows.secrets(server.id, owner=server.owner_id)
        own = found if owner == server.owner_id else await self.rows.secrets(server.id, owner=owner)
        # A client's secret is the configuration's; what signing in gave is each user's own.
        shared = [each for each in found if each.kind is not SecretKind.OAUTH or _is_client(each)]
        signed_in = [each for each in own if each.kind is SecretKind.OAUTH and not _is_client(each)]
        return [*shared, *signed_in]

    async def keep_oauth(self, server: McpServer, owner: UserId, name: str, value: str) -> None:
        """Keep what signing in has given."""
        secret = McpSecret(SecretKind.OAUTH, name, value)
        await self.rows.put_secret(server.id, secret, owner=owner)
        await self.refresh()

    async def listed(self, server: McpServer, listing: McpListing) -> None:
        """Hear what a server offers now."""
        known = next((each for each in self._snapshot.servers if each.id == server.id), None)
        if known is None:
            return
        if known.listing.tools and known.listing.tools != listing.tools:
            log.info("mcp.tools_changed", server=server.name)
        await self.rows.listed_for_system(server.id, listing)
        await self.refresh()

    def counted(self, server_id: str, *, is_error: bool) -> None:
        """Hear of a call that was made."""
        calls, errors = self._counts.get(server_id, (0, 0))
        self._counts[server_id] = (calls + 1, errors + is_error)

    def with_counts(self, server: McpServer) -> McpServer:
        """A server with what has been counted since."""
        calls, errors = self._counts.get(server.id, (0, 0))
        if not calls:
            return server
        return replace(server, calls=server.calls + calls, errors=server.errors + errors)

    async def note_counts(self) -> None:
        """Write down what was counted."""
        counts, self._counts = self._counts, {}
        if counts:
            try:
                await self.rows.count_for_system(counts)
            except OpenAgentError:
                for server_id, (calls, errors) in counts.items():
                    more = self._counts.get(server_id, (0, 0))
                    self._counts[server_id] = (calls + more[0], errors + more[1])
                raise
            self._snapshot = replace(
                self._snapshot,
                servers=tuple(_counted(each, counts) for each in self._snapshot.servers),
            )

    async def keep_watch(
        self, on_change: Callable[[], Awaitable[None]], *, is_shared: bool
    ) -> None:
        """Write down what was counted, and take in what other processes have changed, for ever.

        Args:
            on_change: Called when one has.
            is_shared: Other processes have the same database.
        """
        while True:
            await anyio.sleep(LOOK_SECONDS if is_shared else COUNT_SECONDS)
            try:
                await self.note_counts()
                if is_shared and await self.refresh_if_changed():
                    await on_change()
            except OpenAgentError as error:
                log.warning("mcp.unread", problem=error.message)
            except Exception:  # boundary: looking goes on, whatever one look has come to
                log.exception("mcp.unread")


def _is_client(secret: McpSecret) -> bool:
    return secret.name == CLIENT_SECRET


def _counted(server: McpServer, counts: dict[str, tuple[int, int]]) -> McpServer:
    calls, errors = counts.get(server.id, (0, 0))
    return replace(server, calls=server.calls + calls, errors=server.errors + errors)
