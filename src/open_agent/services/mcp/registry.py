"""MCP servers: added, changed, switched, connected to, and forgotten.

An administrator configures servers for everybody; whoever may have work done may have servers of
their own, which nobody else sees. On a machine without isolation that gives nobody more than they
have: a program of a server's is one more that runs under the server's account, as every command.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from anyio import to_thread

from open_agent.core.actor import Actor
from open_agent.core.clock import Clock
from open_agent.core.errors import Conflict, LimitReached, NotFound
from open_agent.core.ids import is_uuid, new_uuid
from open_agent.core.mcp import CLIENT_SECRET, McpServer, SecretKind, StdioTransport
from open_agent.mcp.client.failures import ServerFailed
from open_agent.mcp.client.pool import Pool
from open_agent.mcp.client.ports import Place, SignInAnswer
from open_agent.mcp.client.presets import HOST, missing
from open_agent.services.access.audit import Audit
from open_agent.services.access.gate import require_admin
from open_agent.services.mcp.directory import McpDirectory
from open_agent.services.mcp.drafts import (
    LONGEST_CALL_SECONDS,
    ServerDraft,
    checked_name,
    checked_text,
    checked_transport,
    unfit,
)
from open_agent.services.mcp.importing import Entry
from open_agent.services.mcp.toolboxes import OfferedTool, Toolboxes
from open_agent.services.mcp.views import McpView
from open_agent.store.mcp_servers import EVERYBODY, SecretChange

MOST_SERVERS = 200
"""That one user may have, and as many for everybody."""


class McpRegistry:
    """The use cases of MCP servers and of switching tools.

    Args:
        directory: What servers there are.
        pool: Has the sessions.
        toolboxes: What they offer.
        audit: Where changes are written down.
        clock: Tells the time.
        search_path: Where programs are looked for.
    """

    def __init__(
        self,
        directory: McpDirectory,
        pool: Pool,
        toolboxes: Toolboxes,
        audit: Audit,
        clock: Clock,
        search_path: str,
    ) -> None:
        self._directory = directory
        self._pool = pool
        self._toolboxes = toolboxes
        self._audit = audit
        self._clock = clock
        self._search_path = search_path
        self._refreshing: set[asyncio.Task[None]] = set()

    async def all(self, actor: Actor) -> list[McpView]:
        """The servers that the actor may use, oldest first."""
        return [await self._view(actor, each) for each in self._directory.visible(actor.user_id)]

    async def get(self, actor: Actor, server_id: str) -> McpView:
        """One of them.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
        """
        return await self._view(actor, self._directory.get(actor, server_id))

    async def add(self, actor: Actor, draft: ServerDraft, *, server_id: str = "") -> McpView:
        """Configure a server. It is started when it is needed.

        Raises:
            Refused: It is to be for everybody, and the actor is no administrator.
            Invalid: What is written cannot be (`mcp.unfit`).
            Conflict: The name is taken (`mcp.exists`).
            LimitReached: There are too many (`mcp.too_many`).
        """
        is_shared = actor.is_admin if draft.is_shared is None else draft.is_shared
        if is_shared:
            require_admin(actor)
        name = checked_name(draft.name)
        if draft.transport is None:
            raise unfit("Say how it is reached: `transport` or `endpoint`.")
        checked = checked_transport(draft.transport, None, ())
        server = McpServer(
            id=server_id if is_uuid(server_id) else new_uuid(),
            owner_id=actor.user_id,
            is_shared=is_shared,
            name=name,
            transport=checked.transport,
            created_at=self._clock.now(),
            description=checked_text(draft.description),
            is_enabled=draft.is_enabled is not False,
            is_per_mission=bool(draft.is_per_mission),
            is_trusted=bool(draft.is_trusted),
            call_seconds=_checked_seconds(draft.call_seconds),
        )
        async with self._directory.turn:
            self._check_room(actor, server)
            self._check_name(server)
            if not await self._directory.rows.add(server, checked.put, owner=actor.user_id):
                raise _exists(name)
            await self._directory.refresh()
        await self._audit.record(actor, "mcp.added", server.id, {"name": name, "shared": is_shared})
        return await self.get(actor, server.id)

    async def take_over(
        self, actor: Actor, entries: Sequence[Entry], *, is_shared: bool | None
    ) -> tuple[list[McpView], list[tuple[str, str]]]:
        """Add servers that a file names. Returns those, and which were not added, and why.

        Raises:
            Refused: They are to be for everybody, and the actor is no administrator.
            LimitReached: There are too many (`mcp.too_many`).
        """
        added: list[McpView] = []
        skipped: list[tuple[str, str]] = []
        for entry in entries:
            draft = replace(entry.draft, is_shared=is_shared)
            name = draft.name or ""
            if entry.preset == HOST:
                skipped.append((name, "Missions have those tools without it."))
                continue
            try:
                added.append(await self.add(actor, draft, server_id=entry.id))
            except Conflict as error:
                skipped.append((name, error.message))
        return added, skipped

    async def change(self, actor: Actor, server_id: str, draft: ServerDraft) -> McpView:
        """Change a server; its id stays, and so do its secrets, but for those that are named.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Refused: It is for everybody, and the actor is no administrator.
            Invalid: What is written cannot be (`mcp.unfit`).
            Conflict: The name is taken (`mcp.exists`), or something is missing on this machine.
        """
        async with self._directory.turn:
            before = self._directory.changeable(actor, server_id)
            if draft.is_shared:
                require_admin(actor)
            secrets = SecretChange()
            transport = before.transport
            if draft.transport is not None:
                named = self._directory.named(before)
                checked = checked_transport(draft.transport, before.transport, named)
                transport, secrets = checked.transport, SecretChange(checked.put, checked.drop)
            after = replace(
                before,
                name=before.name if draft.name is None else checked_name(draft.name),
                transport=transport,
                description=before.description
                if draft.description is None
                else checked_text(draft.description),
                **_switched(before, draft),
            )
            if after.is_enabled:
                await self._check_programs(after)
            self._check_name(after)
            owner = before.owner_id
            if not await self._directory.rows.change(after, secrets, owner=owner):
                raise _exists(after.name)
            await self._directory.refresh()
        is_other = after.transport != before.transport or secrets != SecretChange()
        if is_other or not after.is_enabled or _whose(after) != _whose(before):
            await self._pool.forget(server_id)
        await self._audit.record(actor, "mcp.changed", server_id, {"name": after.name})
        return await self.get(actor, server_id)

    async def remove(self, actor: Actor, server_id: str) -> None:
        """Forget a server with its secrets, and end its sessions.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Refused: It is for everybody, and the actor is no administrator.
        """
        async with self._directory.turn:
            server = self._directory.changeable(actor, server_id)
            await self._directory.rows.delete(server_id, owner=server.owner_id)
            await self._directory.refresh()
        await self._pool.forget(server_id)
        await self._audit.record(actor, "mcp.removed", server_id, {"name": server.name})

    async def enable(self, actor: Actor, server_id: str, *, is_enabled: bool) -> McpView:
        """Let a server be used from now on, or not any more.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Refused: It is for everybody, and the actor is no administrator.
            Conflict: This machine does not have what it needs (`mcp.programs_missing`).
        """
        return await self.change(actor, server_id, ServerDraft(is_enabled=is_enabled))

    async def refresh(self, actor: Actor, server_id: str, callback: str) -> McpView:
        """Connect to a server anew, in the background; returns how it stood before.

        Args:
            actor: Who asks.
            server_id: Which server.
            callback: Where they come back to, should they have to sign in.

        Raises:
            NotFound: There is none, or it is somebody else's (`mcp.not_found`).
            Conflict: It is disabled (`mcp.disabled`).
        """
        server = self._directory.usable(actor, server_id)
        before = await self._view(actor, server)
        self._begin_refresh(actor, server, callback)
        return before

    async def refresh_all(self, actor: Actor, callback: str) -> None:
        """Connect anew to all servers that the actor may use, in the background."""
        for server in self._directory.visible(actor.user_id):
            if server.is_enabled:
                self._begin_refresh(actor, server, callback)

    def come_back(self, state: str, answer: SignInAnswer) -> bool:
        """Hand over with what somebody came back from signing in; whether anybody waits for it."""
        return self._pool.sign_ins.come_back(state, answer)

    def tools(self, actor: Actor) -> list[OfferedTool]:
        """Every tool that missions of the actor's could have, by name."""
        return self._toolboxes.offered(actor.user_id)

    async def switch(self, actor: Actor, name: str, *, is_enabled: bool) -> OfferedTool:
        """Let a tool be used from now on, or not any more.

        What an administrator says counts for everybody, but for tools of a server of their own;
        others decide for themselves, among what everybody may use.

        Raises:
            NotFound: The actor has no such tool (`tool.not_found`).
            Conflict: It is switched off for everybody (`tool.off_for_all`).
        """
        tool = next((each for each in self.tools(actor) if each.name == name), None)
        if tool is None:
            raise NotFound("tool.not_found", f"There is no tool {name}.")
        is_own = tool.server is not None and not tool.server.is_shared
        scope = EVERYBODY if actor.is_admin and not is_own else actor.user_id
        rows, owner = self._directory.rows, actor.user_id
        if is_enabled and scope != EVERYBODY and self._directory.is_off_for_all(name):
            raise Conflict("tool.off_for_all", f"{name} is switched off for everybody.")
        async with self._directory.turn:
            await rows.switch(name, scope, is_off=not is_enabled, owner=owner)
            if is_enabled and scope == EVERYBODY:
                await rows.switch(name, owner, is_off=False, owner=owner)
            await self._directory.refresh()
        await self._audit.record(actor, "tool.switched", name, {"enabled": is_enabled})
        return next(each for each in self.tools(actor) if each.name == name)

    async def close(self) -> None:
        """Wait for nothing that was begun here."""
        for task in self._refreshing:
            task.cancel()
        if self._refreshing:
            await asyncio.wait(self._refreshing)

    def _begin_refresh(self, actor: Actor, server: McpServer, callback: str) -> None:
        task = asyncio.create_task(self._refresh(server, Place(actor.user_id), callback))
        self._refreshing.add(task)
        task.add_done_callback(self._refreshing.discard)

    async def _refresh(self, server: McpServer, place: Place, callback: str) -> None:
        # Its state says what is wrong, and the log too.
        with suppress(ServerFailed):
            await self._pool.connect(server, place, callback)

    async def _view(self, actor: Actor, server: McpServer) -> McpView:
        is_whole = actor.is_admin or server.owner_id == actor.user_id
        return McpView(
            server,
            self._pool.state(server.id, actor.user_id),
            tuple(each for each in self._directory.named(server) if _is_shown(each)),
            is_whole=is_whole,
            left_out=self._toolboxes.examined(server).left_out,
            missing=tuple(await self._missing(server)),
        )

    async def _missing(self, server: McpServer) -> list[str]:
        if not server.preset or not isinstance(server.transport, StdioTransport):
            return []
        return await to_thread.run_sync(
            missing, server.preset, server.transport.command, self._search_path
        )

    async def _check_programs(self, server: McpServer) -> None:
        if found := await self._missing(server):
            raise Conflict(
                "mcp.programs_missing",
                f"The server {server.name} cannot be used: this machine needs {'; '.join(found)}.",
                {"missing": found},
            )

    def _check_room(self, actor: Actor, server: McpServer) -> None:
        beside = [
            each
            for each in self._directory.visible(actor.user_id)
            if each.is_shared == server.is_shared
        ]
        if len(beside) >= MOST_SERVERS:
            raise LimitReached("mcp.too_many", f"There are {MOST_SERVERS} servers already.")

    def _check_name(self, server: McpServer) -> None:
        is_shared, owner = server.is_shared, server.owner_id
        if self._directory.is_taken(server.name, is_shared=is_shared, owner=owner, but=server.id):
            raise _exists(server.name)


def _switched(before: McpServer, draft: ServerDraft) -> dict[str, bool | int | None]:
    """What of a server is a matter of yes or no, or a number."""
    fields: dict[str, bool | int | None] = {}
    for name in ("is_enabled", "is_shared", "is_per_mission", "is_trusted"):
        given = getattr(draft, name)
        fields[name] = getattr(before, name) if given is None else given
    seconds = draft.call_seconds
    fields["call_seconds"] = before.call_seconds if seconds is None else _checked_seconds(seconds)
    return fields


def _whose(server: McpServer) -> tuple[bool, bool]:
    return server.is_shared, server.is_per_mission


def _checked_seconds(seconds: int | None) -> int | None:
    if seconds is not None and not 0 <= seconds <= LONGEST_CALL_SECONDS:
        raise unfit(f"A call may take 1 to {LONGEST_CALL_SECONDS:,} seconds; 0 is the default.")
    return seconds or None


def _is_shown(secret: tuple[SecretKind, str]) -> bool:
    return secret[0] is not SecretKind.OAUTH or secret[1] == CLIENT_SECRET


def _exists(name: str) -> Conflict:
    return Conflict("mcp.exists", f"There is a server {name} already.")
