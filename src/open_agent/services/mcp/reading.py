"""What MCP servers have beside tools, for people: resources, and prompts."""

from open_agent.core.actor import Actor
from open_agent.core.errors import Unavailable
from open_agent.core.mcp import McpServer
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.pool import Pool
from open_agent.mcp.client.ports import Json, Place, Result
from open_agent.services.mcp.directory import McpDirectory


class McpReading:
    """Asks servers, in the actor's own session with them."""

    def __init__(self, directory: McpDirectory, pool: Pool) -> None:
        self._directory = directory
        self._pool = pool

    async def resources(self, actor: Actor, server_id: str) -> tuple[list[Json], list[Json]]:
        """What a server has to be read, and templates of addresses.

        Raises:
            NotFound: There is no such server (`mcp.not_found`).
            Conflict: It is disabled (`mcp.disabled`).
            Unavailable: It cannot be used (`mcp.failed`).
        """
        server = self._directory.usable(actor, server_id)
        try:
            return await self._pool.resources(server, Place(actor.user_id))
        except ServerFailed as error:
            raise _failed(server, error) from error

    async def read_resource(self, actor: Actor, server_id: str, uri: str) -> Result:
        """What is in a resource; raises as `resources` does."""
        server = self._directory.usable(actor, server_id)
        try:
            return await self._pool.read_resource(server, Place(actor.user_id), uri)
        except ServerFailed as error:
            raise _failed(server, error) from error

    async def prompts(self, actor: Actor, server_id: str) -> list[Json]:
        """The prompts that a server has; raises as `resources` does."""
        server = self._directory.usable(actor, server_id)
        try:
            return await self._pool.prompts(server, Place(actor.user_id))
        except ServerFailed as error:
            raise _failed(server, error) from error

    async def prompt(
        self, actor: Actor, server_id: str, name: str, arguments: dict[str, str]
    ) -> Json:
        """A prompt, filled in; raises as `resources` does."""
        server = self._directory.usable(actor, server_id)
        try:
            return await self._pool.prompt(server, Place(actor.user_id), name, arguments)
        except ServerFailed as error:
            raise _failed(server, error) from error


def _failed(server: McpServer, error: ServerFailed) -> Unavailable:
    return Unavailable("mcp.failed", f"The server {server.name}: {error}")
